import Ingest
import LinuxSystem
import Postgres
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing
import Tracking

/// Tests the log of double admissions against their definition, `find_double_admissions`.
struct TrackingDoubleAdmissionTests {
    private static let expected = "SELECT * FROM tapline_internal.find_double_admissions('-infinity', 'infinity')"

    /// Two tags of one person are admitted within seconds, a week ago and today. Then one tag gets another attendee.
    @Test func logFollowsTheScansAndTheRegistry() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let nowMs = SystemClock.nowMicroseconds() / 1_000
        for atMs in [nowMs - 7 * 86_400_000, nowMs - 60_000] {
            let scans = (1...Int64(2)).map { seq in
                Scan(
                    seq: seq, atMs: atMs + seq, tag: TagID(rawValue: seq), verdict: .admitted, flags: [], gate: 1,
                    snapshot: 7)
            }
            let delivery = MadeJournal(scanner: "s-1", journalID: .random(), scans: scans).batch(
                1, 2, sentMicros: nowMs * 1_000
            )
            .delivery(receivedMicros: nowMs * 1_000)
            _ = try store.store([delivery])
        }
        let count = "SELECT count(*) FROM tapline.double_admissions"
        let tracking = try TrackingStore(fixture.connection)
        #expect(try tracking.verify(repair: false).allSatisfy { $0.missing == 0 && $0.wrong == 0 })
        #expect(try fixture.int(count) == 2)
        try fixture.connection.execute("UPDATE tapline.tags SET attendee_id = 9 WHERE tag_id = 1")
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.double_admissions_due") == 1)
        // The change marks the present day as due. The verification includes the older day.
        _ = try tracking.verify(repair: true)
        #expect(try fixture.int(count) == 0)
    }

    /// Double admissions of scans in time order are logged at once. Only an annulment requires a refresh.
    @Test(arguments: 1...3)
    func scansInTimeOrderAreLoggedImmediately(seed: Int) throws {
        var random = TestRandom(seed)
        let fixture = try IngestFixture()
        let (held, tracking) = (HeldRuns(), try TrackingStore(fixture.connection))
        let store = try held.store(fixture.database)
        let journalIDs = (1...4).map { _ in JournalID.random() }
        var lanes: [[Scan]] = journalIDs.map { _ in [] }
        var atMs = IngestFixture.day / 1_000
        for _ in 1...60 {
            var hasAnnulment = false
            for _ in 1...Int.random(in: 1...3, using: &random) {
                let lane = lanes.indices.randomElement(using: &random)!
                atMs += .random(in: 1...2_000_000, using: &random)
                var scan = Scan(
                    seq: Int64(lanes[lane].count + 1), atMs: atMs,
                    tag: TagID(rawValue: .random(in: 1...6, using: &random)),
                    verdict: .admitted, flags: Int.random(in: 0..<4, using: &random) == 0 ? .out : [],
                    gate: [1, 2, 3].randomElement(using: &random)!, snapshot: 7)
                if let last = lanes[lane].last, last.verdict == .admitted, Int.random(in: 0..<8, using: &random) == 0 {
                    (scan.tag, scan.verdict, hasAnnulment) = (last.tag, .annulled, true)
                }
                lanes[lane].append(scan)
                let journal = MadeJournal(scanner: "s-\(lane + 1)", journalID: journalIDs[lane], scans: lanes[lane])
                _ = try store.store([
                    journal.batch(lanes[lane].count, 1).delivery(receivedMicros: IngestFixture.day + 86_400_000_000 * 7)
                ])
            }
            try tracking.track(held.removeAll())
            if hasAnnulment {
                try fixture.connection.query("SELECT tapline_internal.refresh_double_admissions('-infinity')")
            }
            #expect(
                try fixture.int(
                    """
                    WITH expected AS (\(Self.expected)), logged AS (SELECT * FROM tapline_internal.double_admission_log)
                    SELECT (SELECT count(*) FROM (SELECT * FROM expected EXCEPT SELECT * FROM logged) a)
                        + (SELECT count(*) FROM (SELECT * FROM logged EXCEPT SELECT * FROM expected) b)
                    """) == 0)
        }
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.double_admission_log") > 0)
    }

    /// In any other order some double admissions are logged later, and no wrong one is added.
    @Test(arguments: 1...6)
    func scansInAnyOrderAddNoWrongRow(seed: Int) throws {
        var random = TestRandom(seed)
        let fixture = try IngestFixture()
        let (held, tracking) = (HeldRuns(), try TrackingStore(fixture.connection))
        let store = try held.store(fixture.database)
        var deliveries = MadeJournal.tracked(&random).flatMap { journal in
            journal.scans.indices.map { journal.batch($0 + 1, 1).delivery() }
        }
        deliveries.shuffle(using: &random)
        try fixture.connection.execute(
            "CREATE TEMP TABLE before AS SELECT * FROM tapline_internal.double_admission_log")
        while !deliveries.isEmpty {
            let group = deliveries.prefix(Int.random(in: 1...5, using: &random))
            deliveries.removeFirst(group.count)
            _ = try store.store(Array(group))
            try tracking.track(held.removeAll())
            let wrong = try fixture.int(
                """
                SELECT count(*) FROM (
                    SELECT * FROM tapline_internal.double_admission_log EXCEPT SELECT * FROM before EXCEPT \(Self.expected)) x
                """)
            #expect(wrong == 0)
            try fixture.connection.execute(
                "TRUNCATE before; INSERT INTO before SELECT * FROM tapline_internal.double_admission_log")
        }
        #expect(try tracking.verify(repair: false).allSatisfy { $0.missing == 0 && $0.wrong == 0 })
    }
}
