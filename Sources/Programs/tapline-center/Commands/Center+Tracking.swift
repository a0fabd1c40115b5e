import CLI
import Postgres
import Registry
import Runtime
import Tracking

extension Center {
    static let tracking = [trackingCheck, trackingRebuild]

    private static let trackingCheck = Command(
        "tracking check", "compare presence, annulments and flow with the stored scans; changes nothing",
        options: [databaseURL, .output]
    ) { arguments in try verify(arguments, repair: false) }

    private static let trackingRebuild = Command(
        "tracking rebuild", "rebuild presence, annulments and flow from the stored scans; a center may run or not",
        options: [databaseURL, .output]
    ) { arguments in try verify(arguments, repair: true) }

    private struct Row: Encodable {
        let relation: String
        let right, missing, wrong: Int64
    }

    private static func verify(_ arguments: Arguments, repair: Bool) throws -> Command.Work {
        let url = try database(arguments)
        let json = try arguments.outputFormat() == .json
        return {
            // No time limit: the duration depends on the number of scans.
            let reports = try withRegistry(url, statementTimeoutMs: 0) { _, connection in
                try TrackingStore(connection).verify(repair: repair)
            }
            if json {
                let rows = reports.map {
                    Row(relation: $0.relation, right: $0.right, missing: $0.missing, wrong: $0.wrong)
                }
                TextOutput.json(try JSONOutput.line(rows))
            } else {
                TextOutput.lines(reports.map(\.description))
            }
            let differing = reports.reduce(0) { $0 + $1.missing + $1.wrong }
            guard differing == 0 || repair else {
                throw ProgramError.failed(
                    "\(differing) rows differ from the stored scans: run tapline-center tracking rebuild")
            }
        }
    }
}
