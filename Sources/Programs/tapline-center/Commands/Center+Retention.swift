import CLI
import LinuxSystem
import PartitionMaintenance
import Postgres
import Registry

extension Center {
    /// Number of attempts to drop a partition that is in use, and the pause between them in milliseconds.
    private static let (dropAttempts, dropWaitMs) = (60, 1_000)

    static let retention = Command(
        "retention", "drop partitions of old scans; the counters of the scanners stay",
        options: [
            databaseURL,
            Option("keep-days", "N", "keep partitions with journals received in the last N days", required: true),
            .toggle("dry-run", "report, and drop nothing"),
            .toggle(
                "force",
                "also drop partitions with open gaps or unfinished journals, and while the clocks do not agree; says "
                    + "what it overrides"),
        ],
        details: """
            Nothing is dropped unless the clock of the database, that of this machine and the receipt of
            the newest batch agree: a clock that is ahead makes new scans look old, and dropped scans
            never return.
            """
    ) { arguments in
        let url = try database(arguments)
        _ = try arguments.required("keep-days")
        let keepDays = try arguments.int("keep-days", MaintenanceSettings.keepDaysRange) ?? 0
        let (isDry, force) = (arguments.has("dry-run"), arguments.has("force"))
        return {
            try withRegistry(url, statementTimeoutMs: 600_000) { _, connection in
                let retention = Retention(connection)
                let old = try retention.candidates(keepDays: keepDays)
                if old.isEmpty { return TextOutput.line("nothing is older than \(keepDays) days") }
                let clocks = try retention.clockDisagreement(keepDays: keepDays)
                if let clocks, force { TextOutput.line("--force overrides: \(clocks)") }
                for partition in old {
                    let size = "\(partition.name): \(partition.scans) scans, \(partition.bytes >> 20) MB"
                    let obstacle = partition.obstacle.map { "\($0)" } ?? clocks.map { "\($0)" }
                    if let obstacle, !force {
                        TextOutput.line("\(size), kept: \(obstacle)")
                        continue
                    }
                    let overridden = partition.obstacle.map { "; --force overrides: \($0)" } ?? ""
                    if isDry {
                        TextOutput.line("\(size), would be dropped\(overridden)")
                    } else {
                        try drop(partition, retention, keepDays, force)
                        TextOutput.line("\(size), dropped\(overridden)")
                    }
                }
                if let clocks, !force {
                    throw ProgramError.failed(
                        "nothing was dropped: \(clocks). Set the clocks; if they are right, use --force")
                }
            }
        }
    }

    private static func drop(
        _ partition: Retention.Candidate, _ retention: Retention, _ keepDays: Int, _ force: Bool
    ) throws {
        for _ in 0..<dropAttempts {
            if try retention.drop(partition, keepDays: keepDays, force: force) != nil { return }
            _ = Poll.wait([], timeoutMs: dropWaitMs)
        }
        throw ProgramError.failed(
            "\(partition.name) is in use (a backup?), or new scans arrived in it: try again later")
    }
}
