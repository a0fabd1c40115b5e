import Ingest
import Postgres
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing

/// Tests the store transaction on a real PostgreSQL, without a broker.
struct IngestStoreTests {
    /// Returns journals of the enrolled scanners with all verdicts and flags that affect presence.
    private func journals(_ random: inout TestRandom) -> [MadeJournal] {
        ["s-1", "s-2", "s-3", "s-4", "s-1"].map { scanner in
            let length = Int.random(in: 1...40, using: &random)
            let scans = (1...length).map { seq in
                // Times within a few seconds, so that journals overlap. Some device clocks are ahead.
                let ahead: Int64 = Int.random(in: 0..<10, using: &random) == 0 ? 200_000_000 : 0
                var flags: Flags = Bool.random(using: &random) ? .out : []
                if Int.random(in: 0..<6, using: &random) == 0 { flags.insert(.inspection) }
                let verdict: Verdict =
                    [.admitted, .admitted, .admitted, .annulled, .annulled, .noAccess].randomElement(using: &random)!
                return Scan(
                    seq: Int64(seq), atMs: IngestFixture.day / 1_000 + ahead + .random(in: 0...20_000, using: &random),
                    tag: TagID(rawValue: .random(in: 0...44, using: &random) % 9), verdict: verdict, flags: flags,
                    gate: nil, snapshot: 7)
            }
            return MadeJournal(scanner: scanner, journalID: .random(), scans: scans)
        }
    }

    /// Returns all scans of all journals at least once, cut, repeated and overlapping at random, in any order.
    private func deliveries(_ journals: [MadeJournal], _ random: inout TestRandom) -> [IngestDelivery] {
        var all: [IngestDelivery] = []
        for journal in journals {
            var first = 1
            while first <= journal.scans.count {
                let count = Int.random(in: 1...min(12, journal.scans.count - first + 1), using: &random)
                let times = Int.random(in: 0..<4, using: &random) == 0 ? 2 : 1
                for _ in 0..<times { all.append(journal.batch(first, count).delivery()) }
                first += count
            }
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                let first = Int.random(in: 1...journal.scans.count, using: &random)
                let count = Int.random(in: 1...journal.scans.count - first + 1, using: &random)
                all.append(journal.batch(first, count).delivery())
            }
        }
        return all.shuffled(using: &random)
    }

    @Test func notesAreStoredWithTheirScansAndComparedWithNothing() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let journal = MadeJournal.admissions(count: 40)
        var batch = journal.batch(1, 40)
        // A publisher of an older version has sent the scans without notes.
        #expect(try store.store([batch.delivery()]) == [.accepted(stored: 40, duplicates: 0, conflicts: 0)])
        batch.notes = [3: "band broken"]
        for _ in 0..<2 {
            #expect(try store.store([batch.delivery()]) == [.accepted(stored: 0, duplicates: 40, conflicts: 0)])
        }
        // The first note stays, and a scan in conflict gets none.
        batch.notes = [3: "another", 4: "forged"]
        batch.verdicts[4] = 2
        #expect(try store.store([batch.delivery()]) == [.accepted(stored: 0, duplicates: 39, conflicts: 1)])
        #expect(try fixture.texts("SELECT seq || ' ' || note FROM tapline_internal.scan_notes") == ["4 band broken"])
        #expect(
            try fixture.texts("SELECT event || ' ' || reason FROM tapline.lane_events") == [
                "manual admission band broken"
            ])
    }

    @Test(arguments: TestRandom.seeds(4, of: 12))
    func eachScanIsStoredOnceInAnyOrder(seed: Int) throws {
        var random = TestRandom(seed)
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let journals = journals(&random)
        var rest = deliveries(journals, &random)[...]
        var received = 0
        while !rest.isEmpty {
            let group = Array(rest.prefix(Int.random(in: 1...8, using: &random)))
            rest = rest.dropFirst(group.count)
            for outcome in try store.store(group) {
                guard case .accepted(let stored, let duplicates, 0) = outcome else {
                    Issue.record("seed \(seed): \(outcome)")
                    continue
                }
                received += stored + duplicates
            }
            // Maintenance joins runs between two groups, also before their scans are tracked.
            if Bool.random(using: &random) { try fixture.joinRuns(&random) }
            try fixture.checkBooks()
            try fixture.checkPresence()
        }
        let total = journals.reduce(0) { $0 + $1.scans.count }
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == total)
        #expect(try fixture.int("SELECT sum(received) FROM tapline.journals") == received)
        #expect(try fixture.int("SELECT count(*) FROM tapline.seq_gaps") == 0)
        #expect(try fixture.int("SELECT count(*) FROM tapline.quarantine") == 0)
        for journal in journals {
            let rows = try fixture.texts(
                """
                SELECT concat_ws(',', s.seq, s.tag_id, (extract(epoch FROM s.scanned_at) * 1000)::bigint, s.verdict, s.flags)
                FROM tapline.scans s JOIN tapline.journals j ON j.id = s.journal_id
                WHERE j.log = '\(journal.journalID)' ORDER BY s.seq
                """)
            let expected = journal.scans.map {
                "\($0.seq),\($0.tag.rawValue),\($0.atMs),\($0.verdict.rawValue),\($0.flags.rawValue)"
            }
            #expect(rows == expected)
        }
    }

    @Test func conflictKeepsTheFirstScanAndQuarantinesTheSecond() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let journal = MadeJournal.admissions()
        var forged = journal.batch(3, 4)
        forged.tags[1] += 1
        forged.flags[2] = 1
        forged.atMs[3] += 1
        // First within one group, then with stored scans.
        let first = try store.store([journal.batch(1, 10).delivery(), forged.delivery()])
        #expect(first[1] == .accepted(stored: 0, duplicates: 1, conflicts: 3))
        let again = try store.store([forged.delivery()])
        #expect(again == [.accepted(stored: 0, duplicates: 1, conflicts: 3)])
        try fixture.checkBooks()
        #expect(try fixture.int("SELECT tag_id FROM tapline.scans WHERE seq = 4") == 5)
        let row = try fixture.connection.query("SELECT reason, detail, times, body FROM tapline.quarantine")
        #expect(row.rowCount == 1)
        #expect(row.text(0, 0) == "conflict")
        #expect(row.text(0, 1) == "journal \(journal.journalID) seq 4,5,6")
        #expect(row.int(0, 2) == 2)
        #expect(row.bytes(0, 3) == forged.encoded())
        #expect(try fixture.int("SELECT conflicts FROM tapline.journals") == 6)
    }

    @Test func repeatedScansAreRecognisedInAnyBatch() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let journal = MadeJournal.admissions(count: 1_500)
        let batch = journal.batch(1, 1_300)
        #expect(try store.store([batch.delivery()]) == [.accepted(stored: 1_300, duplicates: 0, conflicts: 0)])
        #expect(
            try fixture.texts("SELECT last_seq FROM tapline_internal.scan_runs ORDER BY first_seq")
                == ["512", "1024", "1300"])
        // The same batch, another base, and another part with another base: a part begins at its first scan.
        var moved = batch
        moved.baseMicros -= 77_000
        moved.atMs = moved.atMs.map { $0 + 77 }
        for repeated in [batch, moved, journal.batch(500, 20)] {
            #expect(
                try store.store([repeated.delivery()])
                    == [.accepted(stored: 0, duplicates: repeated.count, conflicts: 0)])
        }
        // A batch that overlaps is cut: its new part is another run.
        #expect(
            try store.store([journal.batch(1_291, 20).delivery()])
                == [.accepted(stored: 10, duplicates: 10, conflicts: 0)])
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.scan_runs WHERE first_seq = 1301") == 1)
        // Only other contents are a conflict, each by itself.
        var forged = batch
        forged.tags[7] += 1
        forged.flags[600] = 1
        #expect(try store.store([forged.delivery()]) == [.accepted(stored: 0, duplicates: 1_298, conflicts: 2)])
        // New scans after repeated ones, in one group.
        #expect(
            try store.store([batch.delivery(), journal.batch(1_311, 100).delivery(), batch.delivery()]) == [
                .accepted(stored: 0, duplicates: 1_300, conflicts: 0),
                .accepted(stored: 100, duplicates: 0, conflicts: 0),
                .accepted(stored: 0, duplicates: 1_300, conflicts: 0),
            ])
        try fixture.checkBooks()
    }

    @Test func droppedScansAreNotStoredAgainAndGapsStillFill() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let journal = MadeJournal.admissions(count: 60)
        _ = try store.store([journal.batch(1, 20).delivery(), journal.batch(25, 36).delivery()])
        try fixture.connection.execute(
            """
            UPDATE tapline.journals SET retired_seq = last_seq, retired_at = now();
            DELETE FROM tapline_internal.scan_runs
            """)
        #expect(
            try store.store([journal.batch(1, 20).delivery()]) == [.accepted(stored: 0, duplicates: 20, conflicts: 0)])
        var late = journal.batch(15, 46)
        late.notes = [0: "of a dropped scan", 7: "of a late scan"]
        #expect(try store.store([late.delivery()]) == [.accepted(stored: 4, duplicates: 42, conflicts: 0)])
        let notes = try fixture.texts("SELECT seq || ' ' || note FROM tapline_internal.scan_notes")
        #expect(notes == ["22 of a late scan"])
        #expect(try fixture.texts("SELECT seq FROM tapline.scans ORDER BY seq") == ["21", "22", "23", "24"])
        #expect(try fixture.int("SELECT count(*) FROM tapline.seq_gaps") == 0)
        #expect(try fixture.int("SELECT count(*) FROM tapline.ingest_balance WHERE NOT balanced") == 0)
    }

    @Test func acceptedGapsStayAcceptedAndStillFill() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let journal = MadeJournal.admissions(count: 20)
        _ = try store.store([journal.batch(11, 2).delivery()])
        _ = try fixture.connection.query("SELECT tapline.accept_gap(1, 1, 10)")
        #expect(try fixture.int("SELECT count(*) FROM tapline.seq_gaps") == 0)
        _ = try store.store([journal.batch(4, 3).delivery(), journal.batch(19, 2).delivery()])
        #expect(
            try fixture.texts(
                """
                SELECT concat_ws(' ', first_seq, last_seq, accepted_at IS NOT NULL) FROM tapline_internal.journal_gaps
                ORDER BY first_seq
                """) == ["1 3 t", "7 10 t", "13 18 f"])
        try fixture.checkBooks()
    }

    @Test func batchesUpdateTheirJournalAndThePreviousOne() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let before = MadeJournal.admissions("s-2", count: 5)
        var next = MadeJournal.admissions("s-2", count: 3)
        next.after = ScanBatch.After(journalID: before.journalID, lastSeq: 5)
        // The next journal arrives first, while the tail of the previous one is missing.
        let received = IngestFixture.day + 5_000_000
        _ = try store.store([next.batch(1, 3).delivery(receivedMicros: received)])
        #expect(
            try fixture.texts("SELECT concat_ws(' ', kind, first_seq, last_seq) FROM tapline.seq_gaps") == ["tail 1 5"])
        _ = try store.store([before.batch(3, 3).delivery()])
        #expect(
            try fixture.texts("SELECT concat_ws(' ', kind, first_seq, last_seq) FROM tapline.seq_gaps") == ["gap 1 2"])
        _ = try store.store([before.batch(1, 2).delivery()])
        #expect(try fixture.int("SELECT count(*) FROM tapline.seq_gaps") == 0)

        var heartbeat = ScanBatch(
            heartbeatOf: ScannerID("s-2")!, journalID: next.journalID, next: 4, gate: 3, snapshot: 8,
            sentMicros: received + 60_000_000, backlog: 17, state: ["reader": .text("ok"), "disk": .int(5)])
        _ = try store.store([heartbeat.delivery(receivedMicros: received + 59_000_000)])
        heartbeat.state = [:]
        _ = try store.store([heartbeat.delivery(receivedMicros: received + 69_000_000)])
        let row = try fixture.connection.query(
            """
            SELECT snapshot_version, backlog, (extract(epoch FROM clock_skew) * 1000000)::bigint, state ->> 'reader', received,
                (extract(epoch FROM last_received_at) * 1000000)::bigint, cardinality(skews), gate_id
            FROM tapline.journals WHERE log = '\(next.journalID)'
            """)
        #expect(row.int(0, 0) == 8)
        #expect(row.int(0, 1) == 17)
        #expect(row.int(0, 2) == -1_000_000)
        #expect(row.text(0, 3) == "ok")
        #expect(row.int(0, 4) == 3)
        #expect(row.int(0, 5) == received + 69_000_000)
        #expect(row.int(0, 6) == 3)
        #expect(row.int(0, 7) == 3)
        // A replayed heartbeat is older than the row.
        heartbeat.backlog = 99
        _ = try store.store([heartbeat.delivery(receivedMicros: received)])
        #expect(try fixture.int("SELECT backlog FROM tapline.journals WHERE log = '\(next.journalID)'") == 17)
        // A gate that was sent is stored, known or not. Otherwise the scanner's default gate is, or NULL without one.
        var given = MadeJournal.admissions("s-1", count: 1).batch(1, 1)
        given.gate = 4_711
        _ = try store.store([given.delivery(), MadeJournal.admissions("s-3", count: 1).batch(1, 1).delivery()])
        #expect(
            try fixture.texts(
                """
                SELECT DISTINCT concat_ws(' ', j.scanner_id, coalesce(s.gate_id, -1)) FROM tapline.scans s
                JOIN tapline.journals j ON j.id = s.journal_id ORDER BY 1
                """) == ["s-1 4711", "s-2 2", "s-3 -1"])
        try fixture.checkPresence()
    }
}
