import LinuxSystem
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Tracking

/// Tests when the center refreshes double admissions.
struct DoubleAdmissionRefresherTests {
    /// Another session holds the lock, so that the refresh of the fixture's registry waits until it is cancelled.
    @Test func refreshIsCancelledByABacklogAndRepeatedAfterIt() async throws {
        let fixture = try IngestFixture()
        let due = "SELECT count(*) FROM tapline_internal.double_admissions_due"
        let waiting = """
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                AND application_name = 'tapline-center double admissions'
            """
        let lock = "hashtext('tapline_internal.double_admission_log')"
        try fixture.connection.execute("SELECT pg_advisory_lock(\(lock))")
        let before = try fixture.int(due)
        #expect(before > 0)
        let (refresher, stop) = (DoubleAdmissionRefresher(databaseURL: fixture.database.url), StopSignal())
        let thread = NamedThread("doubles") { refresher.run(stop) }
        defer { stop.stop() }
        try eventually("a refresh has begun") { try fixture.int(waiting) == 1 }
        refresher.addReceived(60_000, atMs: SystemClock.monotonicMs())
        try eventually("the refresh is cancelled") { try fixture.int(waiting) == 0 }
        #expect(try fixture.int(due) == before, "all of it stays due")
        try fixture.connection.execute("SELECT pg_advisory_unlock(\(lock))")
        try eventually("the refresh after the backlog") { try fixture.int(due) == 0 }
        stop.stop()
        await thread.end()
    }

    /// A tracker whose transaction began before a change of the registry may log by the former one.
    @Test func refreshWaitsForTheTransactionOfATracker() async throws {
        let fixture = try IngestFixture()
        let due = "SELECT count(*) FROM tapline_internal.double_admissions_due"
        let tracker = try fixture.database.connect()
        try tracker.execute("BEGIN; SELECT pg_advisory_xact_lock(\(TrackingStore.lockKey))")
        let (refresher, stop) = (DoubleAdmissionRefresher(databaseURL: fixture.database.url), StopSignal())
        let thread = NamedThread("doubles") { refresher.run(stop) }
        defer { stop.stop() }
        let waiting = """
            SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database AND d.datname = current_database()
            WHERE locktype = 'advisory' AND NOT granted
            """
        try eventually("the refresh waits for the tracker") { try fixture.int(waiting) == 1 }
        #expect(try fixture.int(due) > 0)
        try tracker.execute("COMMIT")
        try eventually("what was due is refreshed") { try fixture.int(due) == 0 }
        // The lock is free again.
        #expect(try tracker.query("SELECT pg_try_advisory_lock($1)", [.int64(TrackingStore.lockKey)]).bool(0, 0))
        stop.stop()
        await thread.end()
    }
}
