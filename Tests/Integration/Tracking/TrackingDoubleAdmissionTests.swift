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
    /// The rows that the log lacks, and those that it has too many.
    private static let differences = """
        WITH expected AS (\(expected)), logged AS (SELECT * FROM tapline_internal.double_admission_log)
        SELECT (SELECT count(*) FROM (SELECT * FROM expected EXCEPT SELECT * FROM logged) a)
            + (SELECT count(*) FROM (SELECT * FROM logged EXCEPT SELECT * FROM expected) b)
        """
    private static let due = "SELECT count(*) FROM tapline_internal.double_admissions_due"

    /// Refreshes all that is due.
    private func refresh(_ fixture: IngestFixture) throws {
        while try fixture.connection.query("SELECT tapline_internal.refresh_due_double_admissions()").bool(0, 0) {}
    }

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
        // The change marks the present day of both people as due. The verification includes the older day.
        #expect(try fixture.int(Self.due + " WHERE tag_id = 1 AND attendee_id IN (1, 9)") == 2)
        try refresh(fixture)
        #expect(try fixture.int(count) == 1)
        _ = try tracking.verify(repair: true)
        #expect(try fixture.int(count) == 0)
    }

    /// Deliveries of one scan each, in any order.
    private func singleScans(_ random: inout TestRandom) -> [IngestDelivery] {
        MadeJournal.tracked(&random).flatMap { journal in
            journal.scans.indices.map { journal.batch($0 + 1, 1).delivery() }
        }.shuffled(using: &random)
    }

    /// Double admissions of scans in time order are logged at once. Only an annulment requires a refresh.
    @Test(arguments: TestRandom.seeds(2, of: 3))
    func scansInTimeOrderAreLoggedImmediately(seed: Int) throws {
        var random = TestRandom(seed)
        let fixture = try IngestFixture()
        let (held, tracking) = (HeldRuns(), try TrackingStore(fixture.connection))
        let store = try held.store(fixture.database)
        let journalIDs = (1...4).map { _ in JournalID.random() }
        var lanes: [[Scan]] = journalIDs.map { _ in [] }
        try refresh(fixture)
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
            #expect(try hasAnnulment || fixture.int(Self.due) == 0)
            try refresh(fixture)
            #expect(try fixture.int(Self.differences) == 0)
        }
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.double_admission_log") > 0)
    }

    /// In any other order some double admissions are logged later, and no wrong one is added.
    @Test(arguments: TestRandom.seeds(2, of: 6))
    func scansInAnyOrderAddNoWrongRow(seed: Int) throws {
        var random = TestRandom(seed)
        let fixture = try IngestFixture()
        let (held, tracking) = (HeldRuns(), try TrackingStore(fixture.connection))
        let store = try held.store(fixture.database)
        var deliveries = singleScans(&random)
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

    /// In any order, with annulments, the refresh of the people that the tracker marks completes the log.
    @Test(arguments: TestRandom.seeds(4, of: 12))
    func refreshOfMarkedPeopleCompletesTheLog(seed: Int) throws {
        var random = TestRandom(seed)
        let fixture = try IngestFixture()
        let (held, tracking) = (HeldRuns(), try TrackingStore(fixture.connection))
        let store = try held.store(fixture.database)
        var deliveries = singleScans(&random)
        try refresh(fixture)
        while !deliveries.isEmpty {
            let group = deliveries.prefix(Int.random(in: 1...5, using: &random))
            deliveries.removeFirst(group.count)
            _ = try store.store(Array(group))
            if Bool.random(using: &random) { try tracking.track(held.removeAll()) }
            if Int.random(in: 0..<4, using: &random) == 0 { try refresh(fixture) }
            if Int.random(in: 0..<4, using: &random) == 0 { try fixture.joinRuns(&random) }
        }
        try tracking.track(held.removeAll())
        #expect(try fixture.int(Self.due + " WHERE tag_id IS NULL") == 0, "no whole day is due")
        try refresh(fixture)
        #expect(try fixture.int(Self.differences) == 0)
    }

    /// More passages than are compared one by one.
    @Test func backlogMarksItsDays() throws {
        let fixture = try IngestFixture()
        let (held, tracking) = (HeldRuns(), try TrackingStore(fixture.connection))
        let store = try held.store(fixture.database)
        try refresh(fixture)
        let journal = MadeJournal.admissions(count: 2_001)
        _ = try store.store([journal.batch(1, 2_001).delivery()])
        try tracking.track(held.removeAll())
        #expect(try fixture.int(Self.due) > 0)
        #expect(try fixture.int(Self.due + " WHERE tag_id IS NOT NULL") == 0)
        try refresh(fixture)
        #expect(try fixture.int(Self.differences) == 0)
    }

    @Test func changedRegistryMarksPeopleOrTheDay() throws {
        let fixture = try IngestFixture()
        try refresh(fixture)
        func added(_ tags: ClosedRange<Int>) throws -> [String] {
            try fixture.connection.execute(
                "INSERT INTO tapline.tags (tag_id, attendee_id) SELECT n, 1 FROM generate_series"
                    + "(\(tags.lowerBound), \(tags.upperBound)) n")
            defer { try? refresh(fixture) }
            return try fixture.texts(
                "SELECT concat_ws(' ', count(tag_id), count(*)) FROM tapline_internal.double_admissions_due")
        }
        #expect(try added(101...103) == ["3 3"])
        #expect(try added(201...400) == ["100 101"])
        for change in [
            "UPDATE tapline.gates SET zone_id = 2 WHERE id = 1", "INSERT INTO tapline.event (name) VALUES ('E')",
            "UPDATE tapline.event SET day_start = '07:00'",
        ] {
            try fixture.connection.execute(change)
            #expect(try fixture.int(Self.due + " WHERE tag_id IS NULL AND attendee_id IS NULL") == 1, "\(change)")
            try refresh(fixture)
            #expect(try fixture.int(Self.due) == 0)
        }
    }
}
