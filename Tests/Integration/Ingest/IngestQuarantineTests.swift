import Ingest
import Postgres
import Registry
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing

/// Tests which deliveries the store quarantines, and that they do not block others.
struct IngestQuarantineTests {
    @Test func eachReasonHasARowAndBlocksNoOtherBatch() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let good = MadeJournal.admissions().batch(1, 10).delivery()
        var wrongKey = good
        wrongKey.routingKey = Array("scan.s-2".utf8)
        var nul = good
        nul.routingKey = Array("scan.s-1".utf8) + [0, 0xff]
        var garbage = good
        garbage.body = Array("garbage".utf8)
        var huge = good
        huge.body = (0..<(1 << 20) + 1).map { UInt8(truncatingIfNeeded: $0) }
        let unknown = MadeJournal.admissions("s-9").batch(1, 1).delivery()
        let disabled = MadeJournal.admissions("s-off").batch(1, 1).delivery()
        var stranger = good
        stranger.userID = "s-2"
        var anonymous = good
        anonymous.userID = nil
        let poison = [wrongKey, nul, garbage, huge, unknown, disabled, stranger, anonymous, garbage]
        let outcomes = try store.store(poison + [good])
        #expect(outcomes.last == .accepted(stored: 10, duplicates: 0, conflicts: 0))
        _ = try store.store(poison)
        let rows = try fixture.texts(
            """
            SELECT concat_ws(' ', routing_key, reason, times, scanner_id, octet_length(body), size) FROM tapline.quarantine
            ORDER BY routing_key, reason
            """)
        let size = good.body.count
        #expect(
            rows == [
                // A wrong and a missing user share a row: same key, reason and body.
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

    /// A removed scanner that is still running sends a heartbeat every 15 s, each with other bytes.
    @Test func rejectedHeartbeatsShareARowPerReason() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        func heartbeat(_ scanner: String, _ number: Int64, sentMicros: Int64? = nil) throws -> IngestDelivery {
            let time = IngestFixture.day + number * 15_000_000
            return ScanBatch(
                heartbeatOf: try #require(ScannerID(scanner)), journalID: .random(), next: 1, gate: nil, snapshot: 0,
                sentMicros: sentMicros ?? time, backlog: 0, state: ["mode": .text("normal")]
            ).delivery(receivedMicros: time)
        }
        var stranger = try heartbeat("s-1", 1)
        stranger.userID = "s-2"
        // The first group holds several; the others arrive alone.
        _ = try store.store(try (1...3).map { try heartbeat("s-off", $0) } + [stranger])
        for number in 4...6 {
            _ = try store.store([try heartbeat("s-off", Int64(number))])
            stranger = try heartbeat("s-1", Int64(number))
            stranger.userID = "s-2"
            _ = try store.store([stranger])
            _ = try store.store([try heartbeat("s-9", Int64(number))])
            _ = try store.store([try heartbeat("s-1", Int64(number), sentMicros: -Int64(number))])
        }
        // A batch with scans has a separate row.
        let scans = MadeJournal.admissions("s-off").batch(1, 5).delivery()
        _ = try store.store([scans, scans])
        let last = try heartbeat("s-off", 7)
        _ = try store.store([last])
        let rows = try fixture.texts(
            """
            SELECT concat_ws(' ', scanner_id, reason, times, is_heartbeat,
                extract(epoch FROM last_received_at - received_at)::int)
            FROM tapline.quarantine ORDER BY scanner_id, reason, is_heartbeat
            """)
        #expect(
            rows == [
                "s-1 identity 4 t 75", "s-1 range 3 t 30", "s-9 unknown-scanner 3 t 30", "s-off disabled-scanner 2 f 0",
                "s-off disabled-scanner 7 t 90",
            ])
        #expect(
            try fixture.int("SELECT sum(quarantined) FROM tapline.scanner_health") == 1, "heartbeats do not count")
        let kept = try fixture.connection.query(
            "SELECT body FROM tapline.quarantine WHERE scanner_id = 's-off' AND is_heartbeat", [], binary: true)
        #expect(kept.bytes(0, 0) == last.body)
        // An enrolled scanner is heard again, so its counted heartbeats are of no use.
        let enrolled = try RegistryStore(fixture.connection).addScanner(
            try #require(ScannerID("s-off")), gate: nil, zone: nil)
        #expect(enrolled.waiting == 1)
        #expect(try fixture.int("SELECT count(*) FROM tapline.quarantine WHERE scanner_id = 's-off'") == 1)
    }

    @Test func replayStoresABatchWhoseCauseIsCorrected() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let delivery = MadeJournal.admissions("s-9").batch(1, 5).delivery()
        _ = try store.store([delivery])
        guard case .quarantined(.unknownScanner, _) = try store.store([delivery], quarantining: false)[0] else {
            throw TestFailure("a batch of an unknown scanner was accepted")
        }
        #expect(try fixture.int("SELECT times FROM tapline.quarantine") == 1)
        try fixture.connection.execute("INSERT INTO tapline.scanners (id) VALUES ('s-9')")
        #expect(
            try store.store([delivery], quarantining: false) == [.accepted(stored: 5, duplicates: 0, conflicts: 0)])
        #expect(
            try store.store([delivery], quarantining: false) == [.accepted(stored: 0, duplicates: 5, conflicts: 0)])
    }

    private static let rejections = [
        "23514": "ALTER TABLE tapline_internal.scan_runs ADD CONSTRAINT test CHECK (13 <> ALL (tags))",
        "P0001": """
        CREATE FUNCTION public.reject() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE TRIGGER reject AFTER INSERT ON tapline_internal.scan_runs FOR EACH ROW WHEN (13 = ANY (NEW.tags))
            EXECUTE FUNCTION public.reject()
        """,
    ]

    @Test(arguments: rejections) func batchRejectedByTheDatabaseBlocksNoOther(sqlState: String, rule: String) throws {
        let fixture = try IngestFixture()
        try fixture.connection.execute(rule)
        let store = try fixture.store()
        let (good, bad, late) = (
            MadeJournal.admissions(), MadeJournal.admissions("s-2", count: 12), MadeJournal.admissions("s-4")
        )
        let outcomes = try store.store([
            good.batch(1, 10).delivery(), bad.batch(1, 12).delivery(), late.batch(1, 10).delivery(),
            bad.batch(1, 5).delivery(),
        ])
        #expect(outcomes[0] == .accepted(stored: 10, duplicates: 0, conflicts: 0))
        #expect(outcomes[2] == .accepted(stored: 10, duplicates: 0, conflicts: 0))
        #expect(outcomes[3] == .accepted(stored: 5, duplicates: 0, conflicts: 0))
        guard case .quarantined(.range, let detail) = outcomes[1] else {
            throw TestFailure("\(outcomes[1])")
        }
        #expect(detail.contains(sqlState))
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 25)
        try fixture.checkBooks()
        try fixture.checkPresence()
    }
}
