import Ingest
import LinuxSystem
import Postgres
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing
import Tracking

/// Tests which double admissions are settled: no exit between can still arrive.
struct SettledDoubleAdmissionTests {
    private let fixture: IngestFixture
    private let store: IngestStore
    private let tracking: TrackingStore
    private static let minuteMs: Int64 = 60_000
    /// 10:00 UTC of a past day. Times of a test are minutes after it.
    private static let startMs = IngestFixture.day / 1_000 + 10 * 60 * minuteMs
    private static let entries = JournalID.random()
    private static let exits = JournalID.random()

    init() throws {
        fixture = try IngestFixture()
        store = try fixture.store()
        tracking = try TrackingStore(fixture.connection)
        // The other scanners were never heard.
        try fixture.connection.execute(
            "INSERT INTO tapline.scanners (id, gate_id) VALUES ('s-in', 1), ('s-out', 1)")
    }

    private func scan(_ seq: Int64, minute: Int64, tag: Int64 = 1, out: Bool = false) -> Scan {
        Scan(
            seq: seq, atMs: Self.startMs + minute * Self.minuteMs, tag: TagID(rawValue: tag), verdict: .admitted,
            flags: out ? .out : [], gate: 1, snapshot: 7)
    }

    /// Stores scans that arrive at a minute, and says how many the scanner still holds.
    private func deliver(
        _ scanner: String, _ journalID: JournalID, _ scans: [Scan], minute: Int64, backlog: Int64 = 0
    ) throws {
        let micros = (Self.startMs + minute * Self.minuteMs) * 1_000
        var batch = ScanBatch(
            scanner: try #require(ScannerID(scanner)), journalID: journalID, scans: scans[...], sentMicros: micros,
            backlog: backlog)
        batch.backlog = backlog
        _ = try store.store([batch.delivery(receivedMicros: micros)])
    }

    private func heartbeat(_ scanner: String, _ journalID: JournalID, next: Int64, minute: Int64) throws {
        let micros = (Self.startMs + minute * Self.minuteMs) * 1_000
        let batch = ScanBatch(
            heartbeatOf: try #require(ScannerID(scanner)), journalID: journalID, next: next, gate: 1, snapshot: 7,
            sentMicros: micros, backlog: 0)
        _ = try store.store([batch.delivery(receivedMicros: micros)])
    }

    /// Tracks all stored scans and evaluates their days again.
    private func track() throws { _ = try tracking.verify(repair: true) }

    private func rows() throws -> [String] {
        try fixture.texts("SELECT CASE WHEN settled THEN 'settled' ELSE 'open' END FROM tapline.double_admissions")
    }

    private func reasons() throws -> [String] {
        try fixture.texts(
            "SELECT DISTINCT concat_ws(' ', reason, scanner_id) FROM tapline.unsettled_spans ORDER BY 1")
    }

    /// In at minute 0 and again at minute 30. The lane out delivers minute 5 and holds one more scan.
    private func deliverWithBacklog() throws {
        try deliver("s-out", Self.exits, [scan(1, minute: 5, tag: 9, out: true)], minute: 40, backlog: 1)
        try deliver("s-in", Self.entries, [scan(1, minute: 0), scan(2, minute: 30)], minute: 41)
        try track()
    }

    @Test func backlogOfAnotherLaneLeavesItOpenUntilItsExitArrives() throws {
        try deliverWithBacklog()
        #expect(try rows() == ["open"])
        try deliver("s-out", Self.exits, [scan(2, minute: 20, out: true)], minute: 42)
        try track()
        #expect(try rows() == [], "the exit was between the two admissions")
    }

    @Test func backlogWithoutAnExitBetweenSettlesIt() throws {
        try deliverWithBacklog()
        try deliver("s-out", Self.exits, [scan(2, minute: 35, out: true)], minute: 42)
        try track()
        #expect(try rows() == ["settled"])
    }

    @Test func backlogAfterDroppedScansIsBounded() throws {
        try deliverWithBacklog()
        try fixture.connection.execute(
            """
            UPDATE tapline.journals SET retired_seq = last_seq, retired_at = last_received_at + interval '30 days'
            WHERE scanner_id = 's-out';
            DELETE FROM tapline_internal.scan_runs USING tapline.journals j WHERE journal_id = j.id AND j.scanner_id = 's-out'
            """)
        #expect(
            try fixture.int("SELECT count(*) FROM tapline.unsettled_spans WHERE since = '-infinity'") == 0)
        #expect(try rows() == ["settled"])
    }

    @Test func laneThatWasNotHeardSinceLeavesItOpenUntilItReports() throws {
        try deliver("s-out", Self.exits, [scan(1, minute: 5, tag: 9, out: true)], minute: 6)
        try deliver("s-in", Self.entries, [scan(1, minute: 0), scan(2, minute: 30)], minute: 31)
        try track()
        #expect(try rows() == ["open"])
        try heartbeat("s-out", Self.exits, next: 2, minute: 32)
        #expect(try rows() == ["settled"])
    }

    @Test func laneOfAnotherDayAndRemovedLaneLeaveNothingOpen() throws {
        try deliver("s-out", Self.exits, [scan(1, minute: -1_440, tag: 9, out: true)], minute: -1_439)
        try deliver("s-4", .random(), [scan(1, minute: 1, tag: 9)], minute: 2)
        try deliver("s-in", Self.entries, [scan(1, minute: 0), scan(2, minute: 30)], minute: 31)
        try track()
        #expect(try rows() == ["open"])
        try fixture.connection.execute("UPDATE tapline.scanners SET enabled = false WHERE id = 's-4'")
        #expect(try rows() == ["settled"])
    }

    @Test func missingScansLeaveItOpenUntilTheyAreAccepted() throws {
        let exits = [scan(1, minute: 5, tag: 9, out: true), scan(3, minute: 40, tag: 9, out: true)]
        for exit in exits { try deliver("s-out", Self.exits, [exit], minute: 41) }
        try deliver("s-in", Self.entries, [scan(1, minute: 0), scan(2, minute: 30)], minute: 41)
        try track()
        #expect(try rows() == ["open"])
        #expect(try reasons().contains("gap s-out"))
        try fixture.connection.execute(
            "SELECT tapline.accept_gap(journal_id, first_seq, last_seq) FROM tapline.seq_gaps")
        #expect(try rows() == ["settled"])
    }

    /// The exit is stored. It is not tracked yet, then tracked and its day not evaluated again.
    @Test func storedExitThatIsNotEvaluatedLeavesItOpen() throws {
        try deliver("s-in", Self.entries, [scan(1, minute: 0), scan(2, minute: 30)], minute: 31)
        try track()
        #expect(try rows() == ["settled"])
        try deliver("s-out", Self.exits, [scan(1, minute: 20, out: true)], minute: 42)
        #expect(try rows() == ["open"])
        #expect(try reasons().contains("tracking s-out"))
        try tracking.catchUp()
        #expect(try rows() == ["open"])
        #expect(try reasons().contains("refresh"))
        try track()
        #expect(try rows() == [])
    }
}
