import Ingest
import Postgres
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing

/// The store transaction on a real PostgreSQL, fed by hand.
struct IngestStoreTests {
    /// Journals of the enrolled scanners with every verdict and flag that presence cares about.
    private func journals(_ random: inout TestRandom) -> [MadeJournal] {
        ["s-1", "s-2", "s-3", "s-4", "s-1"].map { scanner in
            let length = Int.random(in: 1...40, using: &random)
            let scans = (1...length).map { seq in
                // Times over some seconds only, so that journals overlap, and some devices live in the future.
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
            return MadeJournal(scanner: scanner, log: .random(), scans: scans)
        }
    }

    /// All scans of all journals at least once, cut, repeated and overlapping at random, in any order.
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

    @Test(arguments: 1...12)
    func eachScanOnceAndPresenceOfItsOwnWhateverTheOrder(seed: Int) throws {
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
                guard case .taken(let stored, let duplicates, 0) = outcome else {
                    Issue.record("seed \(seed): \(outcome)")
                    continue
                }
                received += stored + duplicates
            }
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
                WHERE j.log = '\(journal.log)' ORDER BY s.seq
                """)
            let expected = journal.scans.map {
                "\($0.seq),\($0.tag.rawValue),\($0.atMs),\($0.verdict.rawValue),\($0.flags.rawValue)"
            }
            #expect(rows == expected)
        }
    }

    private func journal(_ scanner: String = "s-1", count: Int = 10) -> MadeJournal {
        let scans = (1...Int64(count)).map { seq -> Scan in
            let tag = TagID(rawValue: seq % 40 + 1)
            let atMs = IngestFixture.day / 1_000 + seq * 1_000
            return Scan(seq: seq, atMs: atMs, tag: tag, verdict: .admitted, flags: [], gate: nil, snapshot: 7)
        }
        return MadeJournal(scanner: scanner, log: .random(), scans: scans)
    }

    @Test func aConflictKeepsTheFirstAndQuarantinesTheSecond() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let journal = journal()
        var forged = journal.batch(3, 4)
        forged.tags[1] += 1
        forged.flags[2] = 1
        forged.atMs[3] += 1
        // Within one group, and then against what is stored.
        let first = try store.store([journal.batch(1, 10).delivery(), forged.delivery()])
        #expect(first[1] == .taken(stored: 0, duplicates: 1, conflicts: 3))
        let again = try store.store([forged.delivery()])
        #expect(again == [.taken(stored: 0, duplicates: 1, conflicts: 3)])
        try fixture.checkBooks()
        #expect(try fixture.int("SELECT tag_id FROM tapline.scans WHERE seq = 4") == 5)
        let row = try fixture.connection.query("SELECT reason, detail, times, body FROM tapline.quarantine")
        #expect(row.rowCount == 1)
        #expect(row.text(0, 0) == "conflict")
        #expect(row.text(0, 1) == "journal \(journal.log) seq 4,5,6")
        #expect(row.int(0, 2) == 2)
        #expect(row.bytes(0, 3) == forged.encoded())
        #expect(try fixture.int("SELECT conflicts FROM tapline.journals") == 6)
    }

    @Test func whatRetentionHasDroppedIsNotStoredAgainAndGapsStillFill() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let journal = journal(count: 60)
        _ = try store.store([journal.batch(1, 20).delivery(), journal.batch(25, 36).delivery()])
        try fixture.connection.execute(
            """
            UPDATE tapline.journals SET retired_seq = last_seq, retired_at = now();
            DELETE FROM tapline.scans; DELETE FROM tapline_internal.batches
            """)
        #expect(try store.store([journal.batch(1, 20).delivery()]) == [.taken(stored: 0, duplicates: 20, conflicts: 0)])
        #expect(
            try store.store([journal.batch(15, 46).delivery()]) == [.taken(stored: 4, duplicates: 42, conflicts: 0)])
        #expect(try fixture.texts("SELECT seq FROM tapline.scans ORDER BY seq") == ["21", "22", "23", "24"])
        #expect(try fixture.int("SELECT count(*) FROM tapline.seq_gaps") == 0)
        #expect(try fixture.int("SELECT count(*) FROM tapline.ingest_balance WHERE NOT balanced") == 0)
    }

    @Test func everyReasonHasItsRowAndStopsNobody() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let good = journal().batch(1, 10).delivery()
        var wrongKey = good
        wrongKey.routingKey = Array("scan.s-2".utf8)
        var nul = good
        nul.routingKey = Array("scan.s-1".utf8) + [0, 0xff]
        var garbage = good
        garbage.body = Array("garbage".utf8)
        var huge = good
        huge.body = (0..<(1 << 20) + 1).map { UInt8(truncatingIfNeeded: $0) }
        let unknown = journal("s-9").batch(1, 1).delivery()
        let disabled = journal("s-off").batch(1, 1).delivery()
        var stranger = good
        stranger.userID = "s-2"
        var nobody = good
        nobody.userID = nil
        let poison = [wrongKey, nul, garbage, huge, unknown, disabled, stranger, nobody, garbage]
        let outcomes = try store.store(poison + [good])
        #expect(outcomes.last == .taken(stored: 10, duplicates: 0, conflicts: 0))
        _ = try store.store(poison)
        let rows = try fixture.texts(
            """
            SELECT concat_ws(' ', routing_key, reason, times, scanner_id, octet_length(body), size) FROM tapline.quarantine
            ORDER BY routing_key, reason
            """)
        let size = good.body.count
        #expect(
            rows == [
                // Wrong and missing user share a row: same key, same reason, same body.
                "scan.s-1 identity 4 s-1 \(size) \(size)",
                "scan.s-1 malformed 4 s-1 7 7",
                "scan.s-1 oversized 2 s-1 65536 1048577",
                "scan.s-1\\x00\\xff identity 2 \(size) \(size)",
                "scan.s-2 identity 2 s-2 \(size) \(size)",
                "scan.s-9 unknown-scanner 2 s-9 \(unknown.body.count) \(unknown.body.count)",
                "scan.s-off disabled-scanner 2 s-off \(disabled.body.count) \(disabled.body.count)",
            ])
        try fixture.checkBooks()
    }

    @Test func aReplayStoresWhatItsCauseNoLongerStops() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let delivery = journal("s-9").batch(1, 5).delivery()
        _ = try store.store([delivery])
        guard case .quarantined(.unknownScanner, _) = try store.store([delivery], quarantining: false)[0] else {
            Issue.record("taken")
            return
        }
        #expect(try fixture.int("SELECT times FROM tapline.quarantine") == 1)
        try fixture.connection.execute("INSERT INTO tapline.scanners (id) VALUES ('s-9')")
        #expect(
            try store.store([delivery], quarantining: false) == [.taken(stored: 5, duplicates: 0, conflicts: 0)])
        #expect(
            try store.store([delivery], quarantining: false) == [.taken(stored: 0, duplicates: 5, conflicts: 0)])
    }

    private static let refusals = [
        "23514": "ALTER TABLE tapline.scans ADD CONSTRAINT test CHECK (tag_id <> 13)",
        "P0001": """
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE TRIGGER refuse AFTER INSERT ON tapline.scans FOR EACH ROW WHEN (NEW.tag_id = 13)
            EXECUTE FUNCTION public.refuse()
        """,
    ]

    @Test(arguments: refusals) func whatTheDatabaseRefusesStopsNobodyElse(sqlState: String, rule: String) throws {
        let fixture = try IngestFixture()
        try fixture.connection.execute(rule)
        let store = try fixture.store()
        let (good, bad, late) = (journal(), journal("s-2", count: 12), journal("s-4"))
        let outcomes = try store.store([
            good.batch(1, 10).delivery(), bad.batch(1, 12).delivery(), late.batch(1, 10).delivery(),
            bad.batch(1, 5).delivery(),
        ])
        #expect(outcomes[0] == .taken(stored: 10, duplicates: 0, conflicts: 0))
        #expect(outcomes[2] == .taken(stored: 10, duplicates: 0, conflicts: 0))
        #expect(outcomes[3] == .taken(stored: 5, duplicates: 0, conflicts: 0))
        guard case .quarantined(.range, let detail) = outcomes[1] else {
            Issue.record("\(outcomes[1])")
            return
        }
        #expect(detail.contains(sqlState))
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 25)
        try fixture.checkBooks()
        try fixture.checkPresence()
    }

    @Test func heartbeatsGatesSkewAndTheEndOfTheJournalBefore() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let before = journal("s-2", count: 5)
        var next = journal("s-2", count: 3)
        next.after = ScanBatch.After(log: before.log, lastSeq: 5)
        // The next journal comes first, and the tail of the one before is still missing.
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
            heartbeatOf: ScannerID("s-2")!, log: next.log, next: 4, gate: 3, snapshot: 8,
            sentMicros: received + 60_000_000, backlog: 17, state: ["reader": .text("ok"), "disk": .int(5)])
        _ = try store.store([heartbeat.delivery(receivedMicros: received + 59_000_000)])
        heartbeat.state = [:]
        _ = try store.store([heartbeat.delivery(receivedMicros: received + 69_000_000)])
        let row = try fixture.connection.query(
            """
            SELECT snapshot_version, backlog, (extract(epoch FROM clock_skew) * 1000000)::bigint, state ->> 'reader', received,
                (extract(epoch FROM last_received_at) * 1000000)::bigint, cardinality(skews), gate_id
            FROM tapline.journals WHERE log = '\(next.log)'
            """)
        #expect(row.int(0, 0) == 8)
        #expect(row.int(0, 1) == 17)
        #expect(row.int(0, 2) == -1_000_000)
        #expect(row.text(0, 3) == "ok")
        #expect(row.int(0, 4) == 3)
        #expect(row.int(0, 5) == received + 69_000_000)
        #expect(row.int(0, 6) == 3)
        #expect(row.int(0, 7) == 3)
        // What is replayed was heard long ago.
        heartbeat.backlog = 99
        _ = try store.store([heartbeat.delivery(receivedMicros: received)])
        #expect(try fixture.int("SELECT backlog FROM tapline.journals WHERE log = '\(next.log)'") == 17)
        // Gate absent: the default at receipt; none: null; sent: as it is, known or not.
        var given = journal("s-1", count: 1).batch(1, 1)
        given.gate = 4_711
        _ = try store.store([given.delivery(), journal("s-3", count: 1).batch(1, 1).delivery()])
        #expect(
            try fixture.texts(
                """
                SELECT DISTINCT concat_ws(' ', j.scanner_id, coalesce(s.gate_id, -1)) FROM tapline.scans s
                JOIN tapline.journals j ON j.id = s.journal_id ORDER BY 1
                """) == ["s-1 4711", "s-2 2", "s-3 -1"])
        try fixture.checkPresence()
    }

    @Test func acceptedGapsStayAcceptedAndStillFill() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let journal = journal(count: 20)
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
}
