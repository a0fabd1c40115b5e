import CLI
import Postgres
import Registry
import Runtime
import Tracking

extension Center {
    static let tracking = [trackingCheck, trackingRebuild]

    private static let trackingCheck = Command(
        "tracking check", "compare presence, annulments and flow with the stored scans; changes nothing",
        options: [databaseURL, output]
    ) { arguments in try verify(arguments, repair: false) }

    private static let trackingRebuild = Command(
        "tracking rebuild", "rebuild presence, annulments and flow from the stored scans; a center may run or not",
        options: [databaseURL, output]
    ) { arguments in try verify(arguments, repair: true) }

    private static func verify(_ arguments: Arguments, repair: Bool) throws -> Command.Work {
        let url = try database(arguments)
        let json = try arguments.choice("output", Output.self) == .json
        return {
            // As long as the scans need: no limit.
            let reports = try withDatabase(url, statementTimeoutMs: 0) { connection in
                _ = try RegistryStore(connection)
                return try TrackingStore(connection).verify(repair: repair)
            }
            if json {
                let rows = reports.map {
                    "{\"relation\":\(JSONText.quote($0.relation)),\"right\":\($0.right),\"missing\":\($0.missing),\"wrong\":\($0.wrong)}"
                }
                print("[" + rows.joined(separator: ",") + "]")
            } else {
                for report in reports { print(report) }
            }
            let differing = reports.reduce(0) { $0 + $1.missing + $1.wrong }
            guard differing == 0 || repair else {
                throw ProgramError.failed(
                    "\(differing) rows are not what the scans say: tapline-center tracking rebuild mends them")
            }
        }
    }
}
