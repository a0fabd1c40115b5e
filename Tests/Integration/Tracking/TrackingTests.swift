import Ingest
import Postgres
import ScanBatchCodec
import ScanModel
import ScanRuns
import TestSupport
import Testing
import Tracking

/// Tests that the tracked relations follow from the stored scans, whichever trackers apply them, in whatever order.
struct TrackingTests {
    @Test(arguments: TestRandom.seeds(4, of: 12))
    func presenceMatchesTheScansForAnyInterleaving(seed: Int) throws {
        var random = TestRandom(seed)
        let fixture = try IngestFixture()
        // Two centers, each with a store and a tracker. A tracker is behind by any number of runs, and sometimes loses them.
        let held = [HeldRuns(), HeldRuns()]
        let stores = try held.map { try $0.store(fixture.database) }
        let trackers = try (0..<2).map { _ in try TrackingStore(try fixture.database.connect(), isTracker: true) }
        var deliveries: [IngestDelivery] = []
        for journal in MadeJournal.tracked(&random) {
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
            case 0: _ = held[center].removeAll()
            case 1...3:
                held[center].runs.shuffle(using: &random)
                let runs = held[center].runs.prefix(Int.random(in: 0...held[center].runs.count, using: &random))
                try trackers[center].track(Array(runs))
                // Otherwise the runs are tracked again.
                if Bool.random(using: &random) { held[center].runs.removeFirst(runs.count) }
            case 4: try trackers[1 - center].catchUp(olderThanMs: 0)
            case 5: try fixture.joinRuns(&random)
            default: break
            }
        }
        try fixture.checkPresence()
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.tracking_queue") == 0)
    }

    /// The batches of a journal go to two centers. The one with the annulment is tracked first.
    @Test func annulmentTrackedBeforeItsAdmissionIsKept() throws {
        let fixture = try IngestFixture()
        let (slow, quick) = (HeldRuns(), HeldRuns())
        let tracker = try TrackingStore(fixture.connection)
        let scans = [Verdict.admitted, .admitted, .annulled].enumerated().map { index, verdict in
            Scan(
                seq: Int64(index + 1), atMs: IngestFixture.day / 1_000 + Int64(index), tag: TagID(rawValue: 7),
                verdict: verdict, flags: [], gate: 1, snapshot: 7)
        }
        let journal = MadeJournal(scanner: "s-1", journalID: .random(), scans: scans)
        _ = try quick.store(fixture.database).store([journal.batch(1, 1).delivery()])
        _ = try slow.store(fixture.database).store([journal.batch(2, 1).delivery()])
        _ = try quick.store(fixture.database).store([journal.batch(3, 1).delivery()])
        try tracker.track(quick.runs)
        #expect(try fixture.int("SELECT seq FROM tapline.presence") == 1)
        try tracker.track(slow.runs)
        #expect(try fixture.int("SELECT seq FROM tapline.presence") == 1)
        try fixture.checkPresence()
    }

    /// More annulments than are searched one by one, most of which have no admission.
    @Test func journalWithManyAnnulmentsIsTracked() throws {
        let fixture = try IngestFixture()
        let scans = (1...Int64(400)).map { seq in
            Scan(
                seq: seq, atMs: IngestFixture.day / 1_000 + seq, tag: TagID(rawValue: seq % 40 + 1),
                verdict: seq % 5 == 0 ? .admitted : .annulled, flags: [], gate: 1, snapshot: 7)
        }
        _ = try fixture.store().store([
            MadeJournal(scanner: "s-1", journalID: .random(), scans: scans).batch(1, 400).delivery()
        ])
        try fixture.checkPresence()
    }

    /// The search of one admission finds those of the definition for whole journals.
    @Test(arguments: TestRandom.seeds(2, of: 6)) func annulledSeqsAreThoseOfTheDefinition(seed: Int) throws {
        var random = TestRandom(seed)
        let fixture = try IngestFixture()
        let store = try fixture.store()
        for journal in MadeJournal.tracked(&random) {
            _ = try store.store(journal.scans.indices.map { journal.batch($0 + 1, 1).delivery() })
        }
        try fixture.joinRuns(&random)
        let (searched, defined) = ("TABLE searched", "TABLE tapline_internal.annulled_expected")
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.annulled_expected") > 0)
        let different = try fixture.int(
            """
            WITH searched AS (
                SELECT DISTINCT a.journal_id, n.seq FROM tapline.scans a
                CROSS JOIN LATERAL (SELECT tapline_internal.annulled_seq(a.journal_id, a.seq, a.tag_id) AS seq) n
                WHERE a.verdict = 64 AND a.tag_id <> 0 AND n.seq IS NOT NULL)
            SELECT (SELECT count(*) FROM (\(searched) EXCEPT \(defined)) a)
                + (SELECT count(*) FROM (\(defined) EXCEPT \(searched)) b)
            """)
        #expect(different == 0)
    }

    /// More queued runs than are read at once. The annulment of the last admission of the first part is in the second.
    @Test func annulmentInALaterPartOfATransactionCounts() throws {
        let fixture = try IngestFixture()
        let scans = (1...Int64(2_100)).map { seq in
            Scan(
                seq: seq, atMs: IngestFixture.day / 1_000 + seq, tag: TagID(rawValue: seq / 2 % 40 + 1),
                verdict: seq % 2 == 0 || seq == 1 ? .admitted : .annulled, flags: [], gate: 1, snapshot: 7)
        }
        let journal = MadeJournal(scanner: "s-1", journalID: .random(), scans: scans)
        _ = try fixture.store().store((1...scans.count).map { journal.batch($0, 1).delivery() })
        #expect(try TrackingStore(fixture.connection).trackQueued(olderThanMs: 0) == scans.count)
        let positions = try fixture.texts("SELECT concat_ws(' ', tag_id, seq) FROM tapline.presence ORDER BY 1")
        #expect(positions == ["1 1", "11 2100"])
        try fixture.checkPresence()
    }

    /// A group whose transaction is slow does not look abandoned.
    @Test func timeInTheQueueBeginsAfterTheStoring() throws {
        let fixture = try IngestFixture()
        try fixture.connection.execute("BEGIN; SELECT count(*) FROM tapline.scans")
        let isLater = try fixture.connection.query(
            "INSERT INTO tapline_internal.tracking_queue VALUES (1, 1, 1) RETURNING stored_at > now()")
        #expect(isLater.bool(0, 0))
    }

    /// Queued ranges begin and end within stored runs after runs were joined.
    @Test func queuedRangesWithinRunsAreTrackedOnce() throws {
        let fixture = try IngestFixture()
        let scans = (1...Int64(30)).map { seq in
            Scan(
                seq: seq, atMs: IngestFixture.day / 1_000 + seq, tag: TagID(rawValue: seq), verdict: .admitted,
                flags: [], gate: 1, snapshot: 7)
        }
        let journal = MadeJournal(scanner: "s-1", journalID: .random(), scans: scans)
        _ = try fixture.store().store((1...30).map { journal.batch($0, 1).delivery() })
        let table = ScanRunTable(fixture.connection)
        let id = try fixture.int("SELECT id FROM tapline.journals")
        let runs = try table.runs(overlapping: [ScanRunTable.Range(journal: id, first: 1, last: 30)])
        #expect(runs.reduce(0) { $0 + $1.count } == 30)
        let split = try #require(runs.indices.last.map { $0 / 2 + 1 })
        try fixture.connection.execute("DELETE FROM tapline_internal.scan_runs")
        let joined = [runs[..<split], runs[split...]].filter { !$0.isEmpty }.map { ScanRun.joined($0) }
        try table.copy(rows: joined, CopyBuffer())
        let tracking = try TrackingStore(fixture.connection)
        func track(_ ranges: [ClosedRange<Int>]) throws -> String {
            try fixture.connection.execute("DELETE FROM tapline_internal.tracking_queue")
            for range in ranges {
                try fixture.connection.execute(
                    "INSERT INTO tapline_internal.tracking_queue (journal_id, first_seq, last_seq) "
                        + "VALUES (\(id), \(range.lowerBound), \(range.upperBound))")
            }
            try tracking.catchUp()
            return try fixture.texts(
                """
                SELECT concat_ws(' ', count(*), min(tag_id), max(tag_id),
                    (SELECT sum(passed_in) FROM tapline_internal.gate_flow)) FROM tapline.presence
                """)[0]
        }
        #expect(try track([5...20]) == "16 5 20 16")
        #expect(try track([1...4, 21...29]) == "29 1 29 29")
        #expect(try track([30...30]) == "30 1 30 30")
        try fixture.checkPresence()
    }

    /// More tags than are searched one by one.
    @Test func annulmentsOfManyTagsRestoreTheirPositions() throws {
        let fixture = try IngestFixture()
        func scan(_ seq: Int64, _ tag: Int64, _ verdict: Verdict, minutes: Int64) -> Scan {
            Scan(
                seq: seq, atMs: IngestFixture.day / 1_000 + minutes * 60_000 + seq, tag: TagID(rawValue: tag),
                verdict: verdict, flags: [], gate: 1, snapshot: 7)
        }
        let tags = 1...Int64(250)
        // The last ten tags were nowhere else.
        let before = tags.dropLast(10).map { scan($0, $0, .admitted, minutes: 1) }
        let after =
            tags.map { scan($0, $0, .admitted, minutes: 30) } + tags.map { scan($0 + 250, $0, .annulled, minutes: 40) }
        let store = try fixture.store()
        let tracking = try TrackingStore(fixture.connection)
        let first = MadeJournal(scanner: "s-1", journalID: .random(), scans: before)
        let second = MadeJournal(scanner: "s-2", journalID: .random(), scans: after)
        _ = try store.store([first.batch(1, before.count).delivery(), second.batch(1, 250).delivery()])
        try tracking.catchUp()
        let positions = "SELECT concat_ws(' ', scanner_id, count(*)) FROM tapline.presence GROUP BY scanner_id"
        #expect(try fixture.texts(positions) == ["s-2 250"])
        _ = try store.store([second.batch(251, 250).delivery()])
        try tracking.catchUp()
        #expect(try fixture.texts(positions) == ["s-1 240"])
        try fixture.checkPresence()
    }

    @Test func queuedRunsHeldInMemoryAreNotReadBack() throws {
        let fixture = try IngestFixture()
        let (held, tracking) = (HeldRuns(), try TrackingStore(fixture.connection))
        let store = try held.store(fixture.database)
        _ = try store.store([MadeJournal.admissions("s-1").batch(1, 10).delivery()])
        #expect(try tracking.trackQueued(olderThanMs: 0, except: held.runs) == nil)
        _ = try fixture.store().store([MadeJournal.admissions("s-2", count: 7).batch(1, 7).delivery()])
        #expect(try tracking.trackQueued(olderThanMs: 0, except: held.runs) == 7)
        try tracking.track(held.removeAll())
        #expect(try tracking.trackQueued(olderThanMs: 0) == nil)
        try fixture.checkPresence()
    }

    /// A run that the database rejects blocks no other, and is tracked after its cause is corrected.
    @Test func rejectedRunBlocksNoOther() throws {
        let fixture = try IngestFixture()
        let (held, tracking) = (HeldRuns(), try TrackingStore(fixture.connection))
        let store = try held.store(fixture.database)
        try fixture.connection.execute(
            "ALTER TABLE tapline_internal.tag_positions ADD CONSTRAINT no_tag_2 CHECK (tag_id <> 2)")
        func put(_ tags: ClosedRange<Int64>) throws {
            for tag in tags {
                let scan = Scan(
                    seq: 1, atMs: IngestFixture.day / 1_000 + tag, tag: TagID(rawValue: tag), verdict: .admitted,
                    flags: [], gate: 1, snapshot: 7)
                let journal = MadeJournal(scanner: "s-\((tag - 1) % 4 + 1)", journalID: .random(), scans: [scan])
                _ = try store.store([journal.batch(1, 1).delivery()])
            }
        }
        try put(1...3)
        try tracking.track(held.runs)
        let tags = "SELECT tag_id::text FROM tapline.presence ORDER BY tag_id"
        #expect(try fixture.texts(tags) == ["1", "3"])
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.tracking_queue") == 1)
        // The same for runs that are read back. A new tracker reads them, and then the one that recorded the
        // rejection.
        try put(4...5)
        let other = try TrackingStore(fixture.connection)
        try other.catchUp()
        #expect(try fixture.texts(tags) == ["1", "3", "4", "5"])
        #expect(try !tracking.catchUp(olderThanMs: 0))
        try fixture.connection.execute("ALTER TABLE tapline_internal.tag_positions DROP CONSTRAINT no_tag_2")
        try fixture.checkPresence()
        #expect(try fixture.texts(tags) == ["1", "2", "3", "4", "5"])
    }

    @Test func verificationReportsAndRepairsDifferences() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        var random = TestRandom(1)
        for journal in MadeJournal.tracked(&random) {
            _ = try store.store(journal.scans.indices.map { journal.batch($0 + 1, 1).delivery() })
        }
        let tracking = try TrackingStore(fixture.connection)
        // Queued runs are tracked first, so nothing is missing.
        #expect(try tracking.verify(repair: false).allSatisfy { $0.missing == 0 && $0.wrong == 0 })
        try fixture.connection.execute(
            """
            DELETE FROM tapline_internal.tag_positions WHERE tag_id = 1;
            UPDATE tapline_internal.tag_positions SET direction = 1 - direction, seq = seq + 1 WHERE tag_id = 2;
            UPDATE tapline_internal.gate_flow SET refused = refused + 1
                WHERE (gate_id, slot) = (SELECT gate_id, slot FROM tapline_internal.gate_flow ORDER BY 1, 2 LIMIT 1);
            UPDATE tapline_internal.refusal_flow SET refused = refused + 1
                WHERE (gate_id, slot, verdict) =
                    (SELECT gate_id, slot, verdict FROM tapline_internal.refusal_flow ORDER BY 1, 2, 3 LIMIT 1);
            INSERT INTO tapline.tags (tag_id, attendee_id)
                SELECT 5000 + n, (SELECT min(id) FROM tapline.attendees) FROM generate_series(1, 2) n;
            DELETE FROM tapline_internal.shared_tags WHERE tag_id = 5001;
            DELETE FROM tapline_internal.annulled
                WHERE (journal_id, seq) = (SELECT journal_id, seq FROM tapline_internal.annulled ORDER BY 1, 2 LIMIT 1);
            """)
        let found = try tracking.verify(repair: false)
        #expect(found.first { $0.relation == "presence" }?.missing == 1)
        #expect(found.first { $0.relation == "presence" }?.wrong == 1)
        #expect(found.first { $0.relation == "annulled" }?.missing == 1)
        #expect(found.first { $0.relation == "gate_flow" }.map { $0.wrong >= 1 } == true)
        #expect(found.first { $0.relation == "refusal_flow" }.map { $0.wrong >= 1 } == true)
        #expect(found.first { $0.relation == "shared_tags" }?.missing == 1)
        _ = try tracking.verify(repair: true)
        #expect(try tracking.verify(repair: false).allSatisfy { $0.missing == 0 && $0.wrong == 0 })
        try fixture.checkPresence()
    }
}
