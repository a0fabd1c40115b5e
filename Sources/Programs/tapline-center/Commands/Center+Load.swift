import CLI
import Ingest
import Postgres
import Registry
import Runtime
import Tracking

extension Center {
    static let byHand = [load]

    private static let load = Command(
        "load", positionals: "FILE|DIR ...", count: 1...100_000,
        "store batch files, or folders of *.batch files, with the deduplication of broker deliveries",
        options: [databaseURL, output]
    ) { arguments in
        let (url, paths) = (try database(arguments), arguments.positionals)
        let isJSON = try arguments.choice("output", Output.self) == .json
        return {
            let report = try withDatabase(url) { connection in
                _ = try RegistryStore(connection)
                // Bad files are told as they come, and not among the JSON.
                var load = BatchLoad(try IngestStore(connection, relayUsers: [])) { line in
                    if isJSON { Log("load").warning("not taken", [.detail: line]) } else { print(line) }
                }
                // What is stored is stored, also where the database goes away in the middle: then it is told before the error.
                defer { print(isJSON ? json(load.report) : text(load.report)) }
                for path in paths { try load.take(path) }
                try trackNow(connection)
                return load.report
            }
            guard report.isWhole else {
                throw ProgramError.failed(
                    "\(report.quarantined) files are in the quarantine, \(report.unreadable) could not be read")
            }
        }
    }

    /// Tracks what a command has stored, so that the operator sees it at once; else the center's tracker does, within seconds.
    static func trackNow(_ connection: PostgresConnection) throws {
        let trouble: String
        do {
            let store = try TrackingStore(connection)
            try store.catchUp()
            guard store.refusedRuns > 0 else { return }
            trouble = "the database refuses \(store.refusedRuns) runs of scans"
        } catch { trouble = "\(error)" }
        throw ProgramError.failed(
            "what was taken is stored, but not all of it is tracked yet (\(trouble)); a running center tries it again: "
                + "tapline-center tracking check")
    }

    private static func text(_ report: BatchLoad.Report) -> String {
        "\(report.files) files: \(report.stored) scans stored, \(report.duplicates) duplicates, \(report.conflicts) conflicts; "
            + "\(report.quarantined) files in quarantine, \(report.unreadable) not readable"
    }

    private static func json(_ report: BatchLoad.Report) -> String {
        #"{"files":\#(report.files),"stored":\#(report.stored),"duplicates":\#(report.duplicates),"#
            + #""conflicts":\#(report.conflicts),"quarantined":\#(report.quarantined),"unreadable":\#(report.unreadable)}"#
    }
}
