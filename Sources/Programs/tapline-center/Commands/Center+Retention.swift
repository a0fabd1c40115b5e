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
            .toggle("force", "also drop partitions with open gaps or unfinished journals"),
        ]
    ) { arguments in
        let url = try database(arguments)
        _ = try arguments.required("keep-days")
        let keepDays = try arguments.int("keep-days", MaintenanceSettings.keepDaysRange) ?? 0
        let (isDry, force) = (arguments.has("dry-run"), arguments.has("force"))
        return {
            try withRegistry(url, statementTimeoutMs: 600_000) { _, connection in
                let retention = Retention(connection)
                let old = try retention.candidates(keepDays: keepDays)
                if old.isEmpty { print("nothing is older than \(keepDays) days") }
                for partition in old {
                    let size = "\(partition.name): \(partition.scans) scans, \(partition.bytes >> 20) MB"
                    if let obstacle = partition.obstacle, !force {
                        print("\(size), kept: \(obstacle)")
                    } else if isDry {
                        print("\(size), would be dropped")
                    } else {
                        try drop(partition, retention, keepDays, force)
                        print("\(size), dropped")
                    }
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
