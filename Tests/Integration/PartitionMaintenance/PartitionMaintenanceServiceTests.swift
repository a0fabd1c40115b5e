import PartitionMaintenance
import Postgres
import Runtime
import TestSupport
import Testing

/// Tests the maintenance services of two centers.
@Suite struct PartitionMaintenanceServiceTests {
    @Test func jobsRunInOneCenterAndStopDuringAnIndexBuild() throws {
        let fixture = try IngestFixture()
        try fixture.addJournal(1)
        try fixture.connection.execute("UPDATE tapline.journals SET last_received_at = now() - interval '3 days'")
        try fixture.fillFirstPartition()
        // A backup, for which an index build waits.
        let reader = try fixture.database.connect()
        try reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tapline.scans")
        let centers = (1...2).map { _ in
            MaintenanceService(databaseURL: fixture.database.url, metrics: Metrics()).services().map(
                RunningService.init)
        }
        let building = """
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONC%'
                AND state = 'active' AND wait_event_type = 'Lock'
            """
        try eventually("one center builds the index") { try fixture.int(building) == 1 }
        let locks = """
            SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        #expect(try fixture.int(locks) == 2)
        for center in centers {
            for service in center { service.stop() }
            for service in center { #expect(try service.waitForEnd() == nil) }
        }
        try eventually("the build is cancelled") { try fixture.int(building) == 0 }
        #expect(try fixture.closedPartitions() == [])
    }
}
