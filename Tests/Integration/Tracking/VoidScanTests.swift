import Ingest
import LinuxSystem
import Postgres
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing
import Tracking

/// Tests that void scans stay stored and count nowhere.
struct VoidScanTests {
    /// Receipts before and after the theft of the scanner, microseconds since 1970-01-01 UTC.
    private static let honest = IngestFixture.day + 86_400_000_000
    private static let stolen = honest + 3_600_000_000
    private static let theft = honest + 1_800_000_000

    /// Everything that follows from the scans, without the row IDs of the journals.
    private func picture(_ fixture: IngestFixture) throws -> [String] {
        try TrackingStore(fixture.connection).catchUp()
        try fixture.connection.execute("SELECT tapline_internal.refresh_double_admissions('-infinity')")
        let presence = try fixture.texts(
            """
            SELECT concat_ws(' ', 'at', tag_id, zone_id, since, scanner_id, log, seq) FROM tapline.presence ORDER BY tag_id
            """)
        let flow = try fixture.texts(
            """
            SELECT concat_ws(' ', 'flow', gate_id, date_trunc('minute', slot), sum(passed_in), sum(passed_out),
                sum(refused), sum(annulled), sum(untapped), max(last_at))
            FROM tapline_internal.gate_flow GROUP BY gate_id, date_trunc('minute', slot)
            HAVING sum(passed_in + passed_out + refused + annulled + untapped) > 0 OR max(last_at) IS NOT NULL
            ORDER BY gate_id, date_trunc('minute', slot)
            """)
        let refusals = try fixture.texts(
            """
            SELECT concat_ws(' ', 'refused', gate_id, slot, verdict, refused) FROM tapline_internal.refusal_flow
            ORDER BY gate_id, slot, verdict
            """)
        let doubles = try fixture.texts(
            """
            SELECT concat_ws(' ', 'double', attendee_id, zone_id, first_at, f.log, first_seq, at, tag_id, s.log, seq)
            FROM tapline_internal.double_admission_log d JOIN tapline.journals f ON f.id = d.first_journal_id
            JOIN tapline.journals s ON s.id = d.journal_id ORDER BY s.log, seq
            """)
        return presence + flow + refusals + doubles
    }

    /// Each scanner's journals as batches. Those of `s-1` arrive partly before and partly after the theft.
    private func deliveries(_ random: inout TestRandom) -> [(delivery: IngestDelivery, isVoid: Bool)] {
        MadeJournal.tracked(&random).flatMap { journal -> [(IngestDelivery, Bool)] in
            let theft = Int.random(in: 1...journal.scans.count + 1, using: &random)
            var batches: [(IngestDelivery, Bool)] = []
            var first = 1
            while first <= journal.scans.count {
                let isVoid = journal.scanner == "s-1" && first >= theft
                let end = first < theft ? min(theft - 1, journal.scans.count) : journal.scans.count
                let fits = ScanBatch.cut(journal.scans[(first - 1)..<end])
                let count = Int.random(in: 1...min(fits, 9), using: &random)
                let received = isVoid ? VoidScanTests.stolen : VoidScanTests.honest
                batches.append((journal.batch(first, count).delivery(receivedMicros: received), isVoid))
                first += count
            }
            return batches
        }
    }

    /// A database with void scans has the same picture as one that never received them.
    @Test(arguments: TestRandom.seeds(3, of: 9))
    func voidScansAreAsIfTheyHadNotArrived(seed: Int) throws {
        var random = TestRandom(seed)
        let deliveries = deliveries(&random)
        let (fixture, honest) = (try IngestFixture(), try IngestFixture())
        _ = try honest.store().store(deliveries.filter { !$0.isVoid }.map(\.delivery))
        let expected = try picture(honest)
        let tracking = try TrackingStore(fixture.connection)
        func void() throws -> Int64 {
            try tracking.setVoid("s-1", sinceMicros: VoidScanTests.theft, untilMicros: nil, isVoid: true)
        }
        // Void before the scans arrive, before they are tracked, or after.
        if seed % 3 == 0 { #expect(try void() == 0) }
        let store = try fixture.store()
        for (delivery, _) in deliveries.shuffled(using: &random) {
            _ = try store.store([delivery])
            if seed % 3 != 1, Bool.random(using: &random) { try tracking.catchUp() }
        }
        if Bool.random(using: &random) { try fixture.joinRuns(&random) }
        if seed % 3 != 0 {
            if seed % 3 == 2 { try tracking.catchUp() }
            _ = try void()
        }
        #expect(try picture(fixture) == expected)
        try fixture.checkPresence()
        #expect(try tracking.verify(repair: false).allSatisfy { $0.missing == 0 && $0.wrong == 0 })
        // They are kept, and flagged.
        let total = try deliveries.reduce(0) { try $0 + ScanBatch(decoding: $1.delivery.body).count }
        let voided = try deliveries.filter(\.isVoid).reduce(0) { try $0 + ScanBatch(decoding: $1.delivery.body).count }
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == Int64(total))
        #expect(try fixture.int("SELECT count(*) FROM tapline.void_scans") == Int64(voided))
        try fixture.checkBooks()
        // Undone, everything is as if they had never been void.
        _ = try honest.store().store(deliveries.filter(\.isVoid).map(\.delivery))
        #expect(
            try tracking.setVoid("s-1", sinceMicros: nil, untilMicros: nil, isVoid: false) == 0)
        #expect(try picture(fixture) == picture(honest))
        try fixture.checkPresence()
    }

    @Test func annulmentOfAStolenScannerAnnulsNothing() throws {
        let fixture = try IngestFixture()
        func scan(_ seq: Int64, _ verdict: Verdict) -> Scan {
            Scan(
                seq: seq, atMs: IngestFixture.day / 1_000 + seq, tag: TagID(rawValue: 3), verdict: verdict, flags: [],
                gate: 1, snapshot: 7)
        }
        let journal = MadeJournal(
            scanner: "s-1", journalID: .random(), scans: [scan(1, .admitted), scan(2, .admitted), scan(3, .annulled)])
        _ = try fixture.store().store([
            journal.batch(1, 1).delivery(receivedMicros: VoidScanTests.honest),
            journal.batch(2, 2).delivery(receivedMicros: VoidScanTests.stolen),
        ])
        let tracking = try TrackingStore(fixture.connection)
        #expect(
            try tracking.setVoid("s-1", sinceMicros: VoidScanTests.theft, untilMicros: nil, isVoid: true) == 2)
        #expect(try fixture.int("SELECT seq FROM tapline.presence WHERE tag_id = 3") == 1)
        #expect(
            try fixture.texts(
                "SELECT concat_ws(' ', seq, counts, is_void) FROM tapline.delegate_track WHERE tag_id = 3 ORDER BY seq")
                == ["1 t f", "2 f t", "3 f t"])
        // The end of the span is exclusive.
        #expect(
            try tracking.setVoid(
                "s-1", sinceMicros: VoidScanTests.stolen, untilMicros: VoidScanTests.stolen + 1, isVoid: false) == 0)
        try fixture.checkPresence()
    }

    /// A scanner that was removed and is enrolled again is trusted from then on.
    @Test func voidSpanEndsWhenTheScannerIsEnabledAgain() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let tracking = try TrackingStore(fixture.connection)
        let now = SystemClock.nowMicroseconds()
        _ = try tracking.setVoid("s-1", sinceMicros: now - 3_600_000_000, untilMicros: nil, isVoid: true)
        _ = try store.store([MadeJournal.admissions(count: 4).batch(1, 4).delivery(receivedMicros: now + 5_000_000)])
        try tracking.catchUp()
        #expect(try fixture.int("SELECT count(*) FROM tapline.presence") == 0)
        try fixture.connection.execute(
            """
            UPDATE tapline.scanners SET enabled = false WHERE id = 's-1';
            UPDATE tapline.scanners SET enabled = true WHERE id = 's-1';
            """)
        #expect(
            try fixture.int(
                "SELECT count(*) FROM tapline_internal.void_spans WHERE until BETWEEN now() - interval '1 min' AND now()"
            )
                == 1)
        _ = try store.store([MadeJournal.admissions(count: 6).batch(1, 6).delivery(receivedMicros: now + 60_000_000)])
        try tracking.catchUp()
        #expect(try fixture.int("SELECT count(*) FROM tapline.presence") == 6)
    }

    /// New credentials do not end a span, and an enabled scanner is not enabled again.
    @Test func openSpanOfAnEnabledScannerIsAnAlarm() throws {
        let fixture = try IngestFixture()
        let tracking = try TrackingStore(fixture.connection)
        func run(_ arguments: String...) throws -> Run {
            try Run.it("tapline-center", arguments + ["--database-url", fixture.database.url])
        }
        func alarms() throws -> [String] {
            let status = try run("status", "--all")
            #expect(status.end == .exit(1), "\(status.errors)")
            return status.lines.filter { $0.hasPrefix("alarm ") && $0.contains("count nowhere") }
        }
        for scanner in ["s-1", "s-off"] {
            _ = try tracking.setVoid(scanner, sinceMicros: VoidScanTests.theft, untilMicros: nil, isVoid: true)
        }
        // A span in the past is no alarm.
        _ = try tracking.setVoid(
            "s-2", sinceMicros: VoidScanTests.honest, untilMicros: VoidScanTests.theft, isVoid: true)
        let open = try alarms()
        #expect(open.count == 1)
        #expect(
            open.first?.contains(
                "scanner s-1 is enabled, but scans that arrive from 2026-06-02T00:30:00Z on count nowhere: "
                    + "end it with `tapline-center scanner void-scans s-1 --undo --since TIME`") == true)
        #expect(try run("scanner", "void-scans", "s-1", "--undo", "--since", "2026-06-03T00:00:00Z").end == .exit(0))
        #expect(try alarms() == [])
    }

    @Test func commandMakesScansVoidAndUndoesIt() throws {
        let fixture = try IngestFixture()
        _ = try fixture.store().store([
            MadeJournal.admissions().batch(1, 10).delivery(receivedMicros: VoidScanTests.honest),
            MadeJournal.admissions(count: 4).batch(1, 4).delivery(receivedMicros: VoidScanTests.stolen),
        ])
        func run(_ arguments: String...) throws -> Run {
            try Run.it("tapline-center", arguments + ["--database-url", fixture.database.url])
        }
        let done = try run("scanner", "void-scans", "s-1", "--since", "2026-06-02T00:30:00Z")
        #expect(done.end == .exit(0), "\(done.errors)")
        #expect(done.lines.first?.hasPrefix("4 stored scans of scanner s-1 are void") == true)
        #expect(done.lines.last?.contains("tapline-center scanner remove s-1") == true)
        #expect(try run("tracking", "check").end == .exit(0))
        #expect(try fixture.int("SELECT sum(passed_in) FROM tapline_internal.gate_flow") == 10)
        let undone = try run("scanner", "void-scans", "s-1", "--undo")
        #expect(undone.end == .exit(0), "\(undone.errors)")
        #expect(try fixture.int("SELECT sum(passed_in) FROM tapline_internal.gate_flow") == 14)
        #expect(try run("tracking", "check").end == .exit(0))
        let missing = try run("scanner", "void-scans", "s-9", "--since", "2026-06-02T00:30:00Z")
        #expect(missing.end == .exit(1) && missing.errors.contains("there is no scanner 's-9'"))
        #expect(try run("scanner", "void-scans", "s-1").end == .exit(64))
        #expect(
            try run(
                "scanner", "void-scans", "s-1", "--since", "2026-06-02T00:30:00Z", "--until", "2026-06-02T00:30:00Z"
            ).end == .exit(64))
        #expect(try run("scanner", "void-scans", "s-1", "--since", "yesterday").end == .exit(64))
    }
}
