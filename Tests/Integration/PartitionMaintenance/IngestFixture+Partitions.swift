import Postgres
import Runtime

@testable import PartitionMaintenance

extension IngestFixture {
    /// Performs the periodic work on the partitions once.
    func maintainPartitions(silentJournalHours: Int = 48) throws {
        var memory = Partitions.Memory()
        try maintainPartitions(&memory, silentJournalHours: silentJournalHours)
    }

    func maintainPartitions(_ memory: inout Partitions.Memory, silentJournalHours: Int = 48) throws {
        let settings = MaintenanceSettings(silentJournalHours: silentJournalHours)
        _ = try Partitions(connection, settings, MaintenanceMetrics(Metrics())).step(&memory, StopSignal())
    }

    /// Lets retention look at the partitions for an hour, each minute once.
    func retirePartitions(keepDays: Int, silentJournalHours: Int) throws {
        let settings = MaintenanceSettings(silentJournalHours: silentJournalHours, keepDays: keepDays)
        let job = RetentionJob(settings, MaintenanceMetrics(Metrics()))
        for minute in 0...60 { try job.step(connection, StopSignal(), nowMs: Int64(minute) * 60_000) }
    }

    func addJournal(_ id: Int, _ scanner: String = "s-1") throws {
        try connection.execute(
            "INSERT INTO tapline.journals (id, log, scanner_id) VALUES (\(id), gen_random_uuid(), '\(scanner)')")
    }

    /// Uses all journal ids of the first partition.
    func fillFirstPartition() throws { try connection.execute("SELECT setval('tapline.journals_id_seq', 1999)") }

    /// Returns the names of the closed partitions.
    func closedPartitions() throws -> [String] {
        try texts("SELECT name FROM tapline_internal.scan_partitions WHERE closed_at IS NOT NULL ORDER BY name")
    }
}
