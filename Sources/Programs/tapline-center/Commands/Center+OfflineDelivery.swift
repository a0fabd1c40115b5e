import CLI
import Ingest
import Postgres
import Registry
import Runtime
import Tracking

extension Center {
    static let offlineDelivery = [load]

    private static let load = Command(
        "load", positionals: "FILE|DIR ...", count: 1...100_000,
        "store batch files, or folders of *.batch files, with the deduplication of broker deliveries",
        options: [databaseURL, .output]
    ) { arguments in
        let (url, paths) = (try database(arguments), arguments.positionals)
        let isJSON = try arguments.outputFormat() == .json
        return {
            let report = try withRegistry(url) { _, connection in
                // Invalid files are reported immediately; with JSON output, in the log.
                var load = BatchLoad(try IngestStore(connection, relayUsers: [], limits: .ofOperator)) { line in
                    if isJSON { Log("load").warning("file not stored", [.detail: line]) } else { TextOutput.line(line) }
                }
                // Also after an error, for example a lost connection: the files before it are stored.
                defer {
                    if isJSON {
                        TextOutput.json((try? json(load.report)) ?? "")
                    } else {
                        TextOutput.line(text(load.report))
                    }
                }
                for path in paths { try load.load(path) }
                try trackNow(connection)
                return load.report
            }
            guard report.isComplete else {
                throw ProgramError.failed(
                    "\(report.quarantined) files were quarantined, \(report.unreadable) could not be read")
            }
        }
    }

    /// Tracks the stored scans, so that they are visible before the command ends. Otherwise a running center tracks
    /// them within seconds.
    static func trackNow(_ connection: PostgresConnection) throws {
        let cause: String
        do {
            let store = try TrackingStore(connection)
            try store.catchUp()
            guard store.rejectedRuns > 0 else { return }
            cause = "the database rejects \(store.rejectedRuns) runs of scans"
        } catch { cause = "\(error)" }
        throw ProgramError.failed(
            "the scans are stored, but not all of them are tracked yet (\(cause)); a running center tries again "
                + "(tapline-center tracking check)")
    }

    private static func text(_ report: BatchLoad.Report) -> String {
        "\(report.files) files: \(report.stored) scans stored, \(report.duplicates) duplicates, "
            + "\(report.conflicts) conflicts; \(report.quarantined) files in quarantine, \(report.unreadable) not readable"
    }

    private struct Counts: Encodable {
        let files, stored, duplicates, conflicts, quarantined, unreadable: Int
    }

    private static func json(_ report: BatchLoad.Report) throws -> String {
        try JSONOutput.line(
            Counts(
                files: report.files, stored: report.stored, duplicates: report.duplicates,
                conflicts: report.conflicts, quarantined: report.quarantined, unreadable: report.unreadable))
    }
}
