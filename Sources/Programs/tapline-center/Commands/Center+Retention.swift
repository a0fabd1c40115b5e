import CLI
import LinuxSystem
import PartitionMaintenance
import Postgres
import Registry

extension Center {
    /// How often a drop is tried that waits for readers, and how long apart.
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
            try withDatabase(url, statementTimeoutMs: 600_000) { connection in
                _ = try RegistryStore(connection)
                let retention = Retention(connection)
                let old = try retention.survey(keepDays: keepDays)
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
        _ partition: Retention.Old, _ retention: Retention, _ keepDays: Int, _ force: Bool
    ) throws {
        for _ in 0..<dropAttempts {
            if try retention.drop(partition, keepDays: keepDays, force: force) != nil { return }
            _ = Poll.wait([], timeoutMs: dropWaitMs)
        }
        throw ProgramError.failed(
            "\(partition.name) is being read (a backup?) or was heard of meanwhile: try again later")
    }
}
