import Ingest
import LinuxSystem
import Postgres
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing
import Tracking

/// What is tracked beside the ingest is what the stored scans say, whoever tracks them, in whatever order, however often a
/// tracker dies.
struct TrackingTests {
    /// Admissions in and out, annulments, refusals, lane events, inspections, of a few tags at three gates, times stepping.
    private func journals(_ random: inout TestRandom) -> [MadeJournal] {
        ["s-1", "s-2", "s-3", "s-4", "s-1"].map { scanner in
            let scans = (1...Int64.random(in: 2...40, using: &random)).map { seq -> Scan in
                let verdict =
                    [
                        Verdict.admitted, .admitted, .admitted, .annulled, .annulled, .noAccess, .passageWithoutTap,
                        .laneFree,
                    ]
                    .randomElement(using: &random)!
                var flags: Flags = Bool.random(using: &random) ? .out : []
                if Int.random(in: 0..<8, using: &random) == 0 { flags.insert(.inspection) }
                return Scan(
                    seq: seq, atMs: IngestFixture.day / 1_000 + .random(in: 0...400_000, using: &random),
                    tag: verdict.rawValue >= 128 ? .none : TagID(rawValue: .random(in: 1...6, using: &random)),
                    verdict: verdict, flags: flags, gate: [nil, 1, 2].randomElement(using: &random)!, snapshot: 7)
            }
            return MadeJournal(scanner: scanner, log: .random(), scans: scans)
        }
    }

    @Test(arguments: 1...12)
    func whoeverTracksItIsWhatTheScansSay(seed: Int) throws {
        var random = TestRandom(seed)
        let fixture = try IngestFixture()
        // Two centers, each with a store and a tracker that is behind as it likes, and sometimes dies with what it holds.
        let held = [Held(), Held()]
        let stores = try held.map { one in
            try IngestStore(try fixture.database.connect(), relayUsers: [IngestFixture.relay]) { one.runs += $0 }
        }
        let trackers = try (0..<2).map { _ in try TrackingStore(try fixture.database.connect(), isTracker: true) }
        var deliveries: [IngestDelivery] = []
        for journal in journals(&random) {
            var first = 1
            while first <= journal.scans.count {
                let rest = ScanBatch.cut(journal.scans[(first - 1)...])
                let count = Int.random(in: 1...min(rest, 9), using: &random)
                deliveries.append(journal.batch(first, count).delivery())
                if Int.random(in: 0..<4, using: &random) == 0 {
                    deliveries.append(journal.batch(first, count).delivery())
                }
                first += count
            }
        }
        deliveries.shuffle(using: &random)
        while !deliveries.isEmpty {
            let center = Int.random(in: 0...1, using: &random)
            let group = deliveries.prefix(Int.random(in: 1...6, using: &random))
            deliveries.removeFirst(group.count)
            _ = try stores[center].store(Array(group))
            switch Int.random(in: 0..<6, using: &random) {
            case 0: held[center].runs.removeAll()
            case 1...3:
                held[center].runs.shuffle(using: &random)
                let runs = held[center].runs.prefix(Int.random(in: 0...held[center].runs.count, using: &random))
                try trackers[center].track(Array(runs))
                // Sometimes they are told twice.
                if Bool.random(using: &random) { held[center].runs.removeFirst(runs.count) }
            case 4: try trackers[1 - center].catchUp(olderThanMs: 0)
            default: break
            }
        }
        try fixture.checkPresence()
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.tracking_queue") == 0)
    }

    private final class Held {
        var runs: [StoredScans] = []
    }

    /// A journal whose batches went to two centers: the one with the annulment is quicker.
    @Test func anAnnulmentThatIsTrackedBeforeItsAdmissionHolds() throws {
        let fixture = try IngestFixture()
        let (slow, quick) = (Held(), Held())
        let tracker = try TrackingStore(fixture.connection)
        let scans = [Verdict.admitted, .admitted, .annulled].enumerated().map { index, verdict in
            Scan(
                seq: Int64(index + 1), atMs: IngestFixture.day / 1_000 + Int64(index), tag: TagID(rawValue: 7),
                verdict: verdict, flags: [], gate: 1, snapshot: 7)
        }
        let journal = MadeJournal(scanner: "s-1", log: .random(), scans: scans)
        func store(_ held: Held) throws -> IngestStore {
            try IngestStore(fixture.database.connect(), relayUsers: [IngestFixture.relay]) { held.runs += $0 }
        }
        _ = try store(quick).store([journal.batch(1, 1).delivery()])
        _ = try store(slow).store([journal.batch(2, 1).delivery()])
        _ = try store(quick).store([journal.batch(3, 1).delivery()])
        try tracker.track(quick.runs)
        #expect(try fixture.int("SELECT seq FROM tapline.presence") == 1)
        try tracker.track(slow.runs)
        #expect(try fixture.int("SELECT seq FROM tapline.presence") == 1)
        try fixture.checkPresence()
    }

    /// More annulments than are looked for one by one, most of which mean nobody.
    @Test func aJournalFullOfAnnulmentsIsReadOnce() throws {
        let fixture = try IngestFixture()
        let scans = (1...Int64(400)).map { seq in
            Scan(
                seq: seq, atMs: IngestFixture.day / 1_000 + seq, tag: TagID(rawValue: seq % 40 + 1),
                verdict: seq % 5 == 0 ? .admitted : .annulled, flags: [], gate: 1, snapshot: 7)
        }
        _ = try fixture.store().store([
            MadeJournal(scanner: "s-1", log: .random(), scans: scans).batch(1, 400).delivery()
        ])
        try fixture.checkPresence()
    }

    /// Two bands of one person, seconds apart, a week ago and today; then one becomes another's.
    @Test func doubleAdmissionsFollowTheScansAndTheRegistry() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let nowMs = SystemClock.nowMicroseconds() / 1_000
        for atMs in [nowMs - 7 * 86_400_000, nowMs - 60_000] {
            let scans = (1...Int64(2)).map { seq in
                Scan(
                    seq: seq, atMs: atMs + seq, tag: TagID(rawValue: seq), verdict: .admitted, flags: [], gate: 1,
                    snapshot: 7)
            }
            let delivery = MadeJournal(scanner: "s-1", log: .random(), scans: scans).batch(
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
        // The present day by itself, the older one when asked for.
        _ = try tracking.verify(repair: true)
        #expect(try fixture.int(count) == 0)
    }

    private static let found = "SELECT * FROM tapline_internal.find_double_admissions('-infinity', 'infinity')"

    /// Scans that come in the order of their times are known at once; only after an annulment the day has to be looked at.
    @Test(arguments: 1...3)
    func doubleAdmissionsAreSeenAsTheyCome(seed: Int) throws {
        var random = TestRandom(seed)
        let fixture = try IngestFixture()
        let (held, tracking) = (Held(), try TrackingStore(fixture.connection))
        let store = try IngestStore(fixture.database.connect(), relayUsers: [IngestFixture.relay]) { held.runs += $0 }
        let logs = (1...4).map { _ in JournalID.random() }
        var lanes: [[Scan]] = logs.map { _ in [] }
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
                let journal = MadeJournal(scanner: "s-\(lane + 1)", log: logs[lane], scans: lanes[lane])
                _ = try store.store([
                    journal.batch(lanes[lane].count, 1).delivery(receivedMicros: IngestFixture.day + 86_400_000_000 * 7)
                ])
            }
            try tracking.track(held.runs)
            held.runs.removeAll()
            if hasAnnulment {
                try fixture.connection.query("SELECT tapline_internal.refresh_double_admissions('-infinity')")
            }
            #expect(
                try fixture.int(
                    """
                    WITH found AS (\(Self.found)), kept AS (SELECT * FROM tapline_internal.double_admission_log)
                    SELECT (SELECT count(*) FROM (SELECT * FROM found EXCEPT SELECT * FROM kept) a)
                        + (SELECT count(*) FROM (SELECT * FROM kept EXCEPT SELECT * FROM found) b)
                    """) == 0)
        }
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.double_admission_log") > 0)
    }

    /// In any other order some are not seen at once, but none is seen that is none.
    @Test(arguments: 1...6)
    func noDoubleAdmissionIsMadeUp(seed: Int) throws {
        var random = TestRandom(seed)
        let fixture = try IngestFixture()
        let (held, tracking) = (Held(), try TrackingStore(fixture.connection))
        let store = try IngestStore(fixture.database.connect(), relayUsers: [IngestFixture.relay]) { held.runs += $0 }
        var deliveries = journals(&random).flatMap { journal in
            journal.scans.indices.map { journal.batch($0 + 1, 1).delivery() }
        }
        deliveries.shuffle(using: &random)
        try fixture.connection.execute(
            "CREATE TEMP TABLE before AS SELECT * FROM tapline_internal.double_admission_log")
        while !deliveries.isEmpty {
            let group = deliveries.prefix(Int.random(in: 1...5, using: &random))
            deliveries.removeFirst(group.count)
            _ = try store.store(Array(group))
            try tracking.track(held.runs)
            held.runs.removeAll()
            let madeUp = try fixture.int(
                """
                SELECT count(*) FROM (
                    SELECT * FROM tapline_internal.double_admission_log EXCEPT SELECT * FROM before EXCEPT \(Self.found)) x
                """)
            #expect(madeUp == 0)
            try fixture.connection.execute(
                "TRUNCATE before; INSERT INTO before SELECT * FROM tapline_internal.double_admission_log")
        }
        #expect(try tracking.verify(repair: false).allSatisfy { $0.missing == 0 && $0.wrong == 0 })
    }

    /// A row that the database does not take keeps nobody else from being tracked, and is tracked when its cause is gone.
    @Test func whatCannotBeTrackedStopsNobody() throws {
        let fixture = try IngestFixture()
        let (held, tracking) = (Held(), try TrackingStore(fixture.connection))
        let store = try IngestStore(fixture.database.connect(), relayUsers: [IngestFixture.relay]) { held.runs += $0 }
        try fixture.connection.execute("ALTER TABLE tapline.presence ADD CONSTRAINT no_tag_2 CHECK (tag_id <> 2)")
        func put(_ tags: ClosedRange<Int64>) throws {
            for tag in tags {
                let scan = Scan(
                    seq: 1, atMs: IngestFixture.day / 1_000 + tag, tag: TagID(rawValue: tag), verdict: .admitted,
                    flags: [], gate: 1, snapshot: 7)
                let journal = MadeJournal(scanner: "s-\((tag - 1) % 4 + 1)", log: .random(), scans: [scan])
                _ = try store.store([journal.batch(1, 1).delivery()])
            }
        }
        try put(1...3)
        try tracking.track(held.runs)
        let tags = "SELECT tag_id::text FROM tapline.presence ORDER BY tag_id"
        #expect(try fixture.texts(tags) == ["1", "3"])
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.tracking_queue") == 1)
        // The same for what is read back: by a tracker that knows of nothing, and by one that has learnt.
        try put(4...5)
        let other = try TrackingStore(fixture.connection)
        while try other.catchUp(olderThanMs: 0) {}
        #expect(try fixture.texts(tags) == ["1", "3", "4", "5"])
        #expect(try !tracking.catchUp(olderThanMs: 0))
        try fixture.connection.execute("ALTER TABLE tapline.presence DROP CONSTRAINT no_tag_2")
        try fixture.checkPresence()
        #expect(try fixture.texts(tags) == ["1", "2", "3", "4", "5"])
    }

    @Test func whatIsWrongIsToldAndMended() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        var random = TestRandom(1)
        for journal in journals(&random) {
            _ = try store.store(journal.scans.indices.map { journal.batch($0 + 1, 1).delivery() })
        }
        let tracking = try TrackingStore(fixture.connection)
        // Nothing is tracked yet, and nothing is wrong: what waits is tracked first.
        #expect(try tracking.verify(repair: false).allSatisfy { $0.missing == 0 && $0.wrong == 0 })
        try fixture.connection.execute(
            """
            DELETE FROM tapline.presence WHERE tag_id = 1;
            UPDATE tapline.presence SET zone_id = 2, seq = seq + 1 WHERE tag_id = 2;
            UPDATE tapline_internal.gate_flow SET refused = refused + 1
                WHERE (gate_id, slot) = (SELECT gate_id, slot FROM tapline_internal.gate_flow ORDER BY 1, 2 LIMIT 1);
            DELETE FROM tapline_internal.annulled
                WHERE (journal_id, seq) = (SELECT journal_id, seq FROM tapline_internal.annulled ORDER BY 1, 2 LIMIT 1);
            """)
        let found = try tracking.verify(repair: false)
        #expect(found.first { $0.relation == "presence" }?.missing == 1)
        #expect(found.first { $0.relation == "presence" }?.wrong == 1)
        #expect(found.first { $0.relation == "annulled" }?.missing == 1)
        #expect(found.first { $0.relation == "gate_flow" }.map { $0.wrong >= 1 } == true)
        _ = try tracking.verify(repair: true)
        #expect(try tracking.verify(repair: false).allSatisfy { $0.missing == 0 && $0.wrong == 0 })
        try fixture.checkPresence()
    }

    @Test func aBatchThatComesAgainIsKnownByItsDigest() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let scans = (1...Int64(200)).map { seq in
            Scan(
                seq: seq, atMs: IngestFixture.day / 1_000 + seq, tag: TagID(rawValue: seq % 40 + 1), verdict: .admitted,
                flags: [], gate: nil, snapshot: 7)
        }
        let journal = MadeJournal(scanner: "s-1", log: .random(), scans: scans)
        let batch = journal.batch(1, 100)
        #expect(try store.store([batch.delivery()]) == [.taken(stored: 100, duplicates: 0, conflicts: 0)])
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.batches WHERE last_seq = 100") == 1)
        // The stored scans are not asked: one that was changed behind the center's back is not noticed ...
        try fixture.connection.execute("UPDATE tapline.scans SET verdict = 3 WHERE seq = 50")
        #expect(try store.store([batch.delivery()]) == [.taken(stored: 0, duplicates: 100, conflicts: 0)])
        // ... but by a batch that is cut otherwise, and one with another content is a conflict as ever.
        #expect(try store.store([journal.batch(1, 60).delivery()]) == [.taken(stored: 0, duplicates: 59, conflicts: 1)])
        var forged = batch
        forged.tags[7] += 1
        #expect(try store.store([forged.delivery()]) == [.taken(stored: 0, duplicates: 98, conflicts: 2)])
        // New scans behind known ones, in one group.
        #expect(
            try store.store([batch.delivery(), journal.batch(101, 100).delivery(), batch.delivery()]) == [
                .taken(stored: 0, duplicates: 100, conflicts: 0), .taken(stored: 100, duplicates: 0, conflicts: 0),
                .taken(stored: 0, duplicates: 100, conflicts: 0),
            ])
        try fixture.checkBooks()
    }
}
