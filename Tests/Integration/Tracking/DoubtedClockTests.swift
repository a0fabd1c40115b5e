import Ingest
import LinuxSystem
import Postgres
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing
import Tracking

/// Scans of a device whose clock started in the past are counted when they were made.
struct DoubtedClockTests {
    private let fixture: IngestFixture
    private let nowMicros = SystemClock.nowMicroseconds()

    init() throws {
        fixture = try IngestFixture()
        // The event day began an hour ago.
        try fixture.connection.execute(
            """
            INSERT INTO tapline.event (name, time_zone, day_start)
                VALUES ('E', 'Etc/UTC', ((now() - interval '1 hour') AT TIME ZONE 'UTC')::time);
            INSERT INTO tapline.snapshots (version, created_at, expires_at, attendees, size, sha256, file)
                VALUES (7, now() - interval '2 hours', now() + interval '1 day', 1, 1, repeat('0', 64), 'f')
            """)
    }

    /// A journal of taps at gate 1. Tags are odd, so that each is another person's.
    private func journal(
        _ scanner: String, _ taps: [(tag: Int64, atMs: Int64, flags: Flags)], journalID: JournalID = .random()
    ) -> MadeJournal {
        let scans = taps.enumerated().map { index, tap in
            Scan(
                seq: Int64(index + 1), atMs: tap.atMs, tag: TagID(rawValue: tap.tag), verdict: .admitted,
                flags: tap.flags, gate: 1, snapshot: 7)
        }
        return MadeJournal(scanner: scanner, journalID: journalID, scans: scans)
    }

    private func store(_ batch: ScanBatch, elapsedMs: [Int32]? = nil, laterMicros: Int64 = 0) throws {
        var batch = batch
        batch.elapsedMs = elapsedMs
        _ = try fixture.store().store([batch.delivery(receivedMicros: nowMicros + laterMicros)])
    }

    private var zoneOfTag1: String {
        get throws {
            try fixture.texts(
                "SELECT coalesce(zone_id::text, 'off site') FROM tapline.presence WHERE tag_id = 1")[0]
        }
    }

    @Test func peopleAdmittedUnderADoubtedClockAreCounted() throws {
        let taps: [(tag: Int64, atMs: Int64, flags: Flags)] = [
            (1, 1_000, .clockNotTrusted), (3, 3_000, .clockNotTrusted), (5, 5_000, .clockNotTrusted),
        ]
        try store(journal("s-1", taps).batch(1, 3, sentMicros: 9_000_000), elapsedMs: [30_000, 20_000, 10_000])
        try fixture.checkPresence()
        #expect(try fixture.int("SELECT inside FROM tapline.live_zones WHERE zone_id = 1") == 3)
        #expect(try fixture.int("SELECT in_today FROM tapline.live_gates WHERE gate_id = 1") == 3)
        let ages =
            "SELECT round(\(nowMicros) / 1000000.0 - extract(epoch FROM since))::text "
            + "FROM tapline.presence ORDER BY tag_id"
        #expect(try fixture.texts(ages) == ["30", "20", "10"])
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans WHERE scanned_at < '1970-01-02'") == 3)
        let track = "SELECT count(*) FROM tapline.delegate_track WHERE counts AND time > now() - interval '1 hour'"
        #expect(try fixture.int(track) == 3)
    }

    @Test func exitUnderADoubtedClockEndsAStay() throws {
        try store(journal("s-1", [(1, nowMicros / 1_000 - 600_000, [])]).batch(1, 1))
        try store(journal("s-2", [(1, 5_000, [.out, .clockNotTrusted])]).batch(1, 1), elapsedMs: [60_000])
        try fixture.checkPresence()
        #expect(try zoneOfTag1 == "off site")
        // Admitted again before that, as a late batch reports.
        try store(journal("s-4", [(1, nowMicros / 1_000 - 300_000, [])]).batch(1, 1))
        try fixture.checkPresence()
        #expect(try zoneOfTag1 == "off site")
    }

    /// Both deliveries are split differently; the center that tracks them reads some from the database.
    @Test(arguments: [[3], [1, 2], [2, 1], [1, 1, 1]]) func placesDoNotDependOnTheSplit(_ counts: [Int]) throws {
        let journal = journal(
            "s-1", [(1, 1, .clockNotTrusted), (3, 3, .clockNotTrusted), (5, 5, .clockNotTrusted)])
        var first = 1
        for count in counts {
            let elapsed = (first..<first + count).map { Int32(100_000 - $0 * 10_000) }
            try store(journal.batch(first, count), elapsedMs: elapsed)
            first += count
        }
        // The same scans again, ten seconds later.
        try store(journal.batch(1, 3), elapsedMs: [100_000, 90_000, 80_000], laterMicros: 10_000_000)
        let places =
            "SELECT round(\(nowMicros) / 1000000.0 - extract(epoch FROM placed_at))::text "
            + "FROM tapline_internal.scan_times ORDER BY seq"
        #expect(try fixture.texts(places) == ["90", "80", "70"])
        #expect(try fixture.int("SELECT duplicates FROM tapline.journals") == 3)
        try fixture.checkPresence()
    }

    @Test func placesFollowTheTrackingOfEitherSource() throws {
        let held = HeldRuns()
        let store = try held.store(fixture.database)
        var taps: [(tag: Int64, atMs: Int64, flags: Flags)] = []
        for number in 0..<Int64(40) {
            taps.append((tag: number + 1, atMs: number, flags: number % 3 == 0 ? .clockNotTrusted : []))
        }
        let made = journal("s-1", taps)
        _ = try store.store((1...40).map { made.batch($0, 1).delivery(receivedMicros: nowMicros) })
        let tracker = try TrackingStore(fixture.connection)
        try tracker.track(Array(held.runs.prefix(20)))
        try tracker.catchUp()
        try fixture.checkPresence()
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.scan_times") == 14)
    }

    @Test func readersOfTheViewsMayUseScanTime() throws {
        let name = "reader_\(UInt32.random(in: 0..<1_000_000))"
        try store(journal("s-1", [(1, 1_000, .clockNotTrusted)]).batch(1, 1))
        try fixture.connection.execute(
            "CREATE ROLE \(name); GRANT USAGE ON SCHEMA tapline TO \(name); "
                + "GRANT SELECT ON ALL TABLES IN SCHEMA tapline TO \(name); SET ROLE \(name)")
        let time = "tapline.scan_time(journal_id, seq, flags, scanned_at, received_at)"
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans WHERE \(time) = received_at") == 1)
        #expect(try fixture.int("SELECT count(*) FROM tapline.delegate_track WHERE time = received_at") == 1)
        try fixture.connection.execute("RESET ROLE; DROP OWNED BY \(name); DROP ROLE \(name)")
    }
}
