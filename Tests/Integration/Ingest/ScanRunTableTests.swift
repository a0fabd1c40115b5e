import Postgres
import ScanModel
import ScanRuns
import TestSupport
import Testing

/// Tests the columns of `tapline_internal.scan_runs` on a real PostgreSQL: written by COPY, read as `tapline.scans`.
struct ScanRunTableTests {
    private static let day = IngestFixture.day

    /// A row of `tapline.scans`.
    private struct Row: Equatable {
        var journal: Int64
        var seq: Int64
        var tag: Int64
        var scannedMicros: Int64
        var verdict: Int64
        var flags: Int64
        var gate: Int64?
        var snapshot: Int64
        var receivedMicros: Int64
    }

    /// A database with the journals 1 to 3.
    private func fixture() throws -> IngestFixture {
        let fixture = try IngestFixture()
        try fixture.connection.execute(
            """
            INSERT INTO tapline.journals (log, scanner_id, first_received_at, last_received_at)
            SELECT gen_random_uuid(), 's-1', now(), now() FROM generate_series(1, 3)
            """)
        #expect(try fixture.texts("SELECT id FROM tapline.journals ORDER BY id") == ["1", "2", "3"])
        return fixture
    }

    private func scans(
        _ count: Int, journal: Int64 = 1, first: Int64 = 1, verdicts: [Verdict] = [.admitted], gate: Int64? = 3,
        receivedMicros: Int64 = day + 60_000_000
    ) -> StoredScans {
        var random = TestRandom(Int(first) + count)
        let tags = (0..<count).map { _ in Int64(bitPattern: random.next()) }
        let atMs = (0..<count).map { Int32($0 * 100) - 700 }
        return StoredScans(
            journal: journal, scanner: "s-1", journalID: JournalID(high: 1, low: 2), first: first,
            baseMicros: ScanRunTableTests.day, atMs: atMs[...], tags: tags[...],
            verdicts: (0..<count).map { verdicts[$0 % verdicts.count].rawValue }[...],
            flags: (0..<count).map { UInt8(verdicts.count == 1 ? 1 : $0 % 4) }[...], gate: gate, snapshot: 7,
            receivedMicros: receivedMicros, isBehind: false)
    }

    private func copy(_ runs: [StoredScans], _ fixture: IngestFixture) throws {
        try ScanRunTable(fixture.connection).copy(runs, CopyBuffer())
    }

    /// The scans of runs, as `tapline.scans` must show them.
    private func expected(_ runs: [StoredScans]) -> [Row] {
        runs.flatMap { run in
            (0..<run.count).map { index in
                Row(
                    journal: run.journal, seq: run.first + Int64(index), tag: run.tags[index],
                    scannedMicros: run.baseMicros + Int64(run.atMs[index]) * 1_000,
                    verdict: Int64(run.verdicts[index]), flags: Int64(run.flags[index]), gate: run.gate,
                    snapshot: run.snapshot, receivedMicros: run.receivedMicros)
            }
        }
    }

    private func shown(_ fixture: IngestFixture) throws -> [Row] {
        let result = try fixture.connection.query(
            """
            SELECT journal_id, seq, tag_id, scanned_at, verdict, flags, gate_id, snapshot_version, received_at
            FROM tapline.scans ORDER BY journal_id, seq
            """, binary: true)
        return (0..<result.rowCount).map { row in
            Row(
                journal: result.int(row, 0), seq: result.int(row, 1), tag: result.int(row, 2),
                scannedMicros: result.microseconds(row, 3), verdict: result.int(row, 4), flags: result.int(row, 5),
                gate: result.optionalInt(row, 6), snapshot: result.int(row, 7),
                receivedMicros: result.microseconds(row, 8))
        }
    }

    @Test func copiedRunsAreReadAsScans() throws {
        let fixture = try fixture()
        let runs = [
            scans(1), scans(512, first: 2, gate: nil), scans(700, journal: 2, first: 9, verdicts: [.admitted, .void]),
            scans(5, journal: 3, verdicts: [.noAccess, .annulled]),
            scans(4, journal: 3, first: 6, verdicts: [.laneFree]),
            scans(3, journal: 3, first: 10, verdicts: [.annulled]),
        ]
        try copy(runs, fixture)
        #expect(try shown(fixture) == expected(runs))
        let columns = try fixture.texts(
            """
            SELECT concat_ws(' ', journal_id, first_seq, last_seq, octet_length(verdicts), octet_length(flags),
                has_annulments, has_lane_events, received_at = received_last)
            FROM tapline_internal.scan_runs ORDER BY journal_id, first_seq
            """)
        #expect(
            columns == [
                "1 1 1 1 1 f f t", "1 2 513 1 1 f f t", "2 9 520 512 512 f f t", "2 521 708 188 188 f f t",
                "3 1 5 5 5 t f t", "3 6 9 1 1 f t t", "3 10 12 1 1 t f t",
            ])
        // The limits enclose the device times and the order times, and a device ahead of its receipt has both.
        #expect(
            try fixture.int(
                """
                SELECT count(*) FROM tapline_internal.stored_scans s WHERE scanned_at NOT BETWEEN earliest AND latest
                    OR tapline.scan_time(journal_id, seq, flags, scanned_at, received_at) NOT BETWEEN earliest AND latest
                """) == 0)
        // Each tag is found by the filter of its run.
        #expect(
            try fixture.int(
                """
                SELECT count(*) FROM tapline_internal.stored_scans
                WHERE NOT tapline_internal.may_hold(tag_filter, tag_id)
                """) == 0)
        #expect(
            try fixture.int(
                """
                SELECT count(*) FROM tapline_internal.scan_runs, generate_series(1, 1000) n
                WHERE tapline_internal.may_hold(tag_filter, hashint8extended(n, 0))
                """) < 70)
    }

    @Test func runsThatOverlapRangesAreReadBack() throws {
        let fixture = try fixture()
        let table = ScanRunTable(fixture.connection)
        let runs = [
            scans(100), scans(512, first: 101, verdicts: [.admitted, .void]), scans(50, first: 700, gate: nil),
        ]
        let other = scans(40, journal: 2, first: 5)
        try copy(runs + [other], fixture)
        let rows = runs.map { ScanRun.rows(of: $0)[0] }
        #expect(try table.runs(overlapping: []) == [])
        #expect(try table.runs(overlapping: [.init(journal: 1, first: 1, last: 1)]) == [rows[0]])
        #expect(try table.runs(overlapping: [.init(journal: 1, first: 612, last: 612)]) == [rows[1]])
        #expect(try table.runs(overlapping: [.init(journal: 1, first: 613, last: 699)]) == [])
        #expect(try table.runs(overlapping: [.init(journal: 1, first: 100, last: 700)]) == rows)
        #expect(
            try table.runs(overlapping: [
                .init(journal: 2, first: 1, last: 5), .init(journal: 1, first: 749, last: 9_000),
                .init(journal: 1, first: 710, last: 712), .init(journal: 3, first: 1, last: 9),
                .init(journal: 1, first: 749, last: 749),
            ]) == [rows[2], ScanRun.rows(of: other)[0]])
    }

    @Test func joinedRunsAreReadAsBefore() throws {
        let fixture = try fixture()
        let table = ScanRunTable(fixture.connection)
        var runs = (0..<20).map { index in
            scans(
                25, first: Int64(index) * 25 + 1, verdicts: index == 7 ? [.annulled, .blocked] : [.admitted],
                receivedMicros: ScanRunTableTests.day + Int64(index % 6) * 7_000_001)
        }
        for index in runs.indices { runs[index].baseMicros += Int64(index) * 3_000 }
        try copy(runs, fixture)
        #expect(try shown(fixture) == expected(runs))
        let stored = try table.runs(overlapping: [.init(journal: 1, first: 1, last: 500)])
        let joined = ScanRun.joined(stored)
        try fixture.connection.execute("BEGIN; DELETE FROM tapline_internal.scan_runs")
        try table.copy(rows: [joined], CopyBuffer())
        try fixture.connection.execute("COMMIT")
        #expect(try shown(fixture) == expected(runs))
        #expect(try table.runs(overlapping: [.init(journal: 1, first: 30, last: 31)]) == [joined])
        #expect(
            try fixture.texts(
                """
                SELECT concat_ws(' ', has_annulments, has_lane_events,
                    received_at = (SELECT min(received_at) FROM tapline.scans),
                    received_last = (SELECT max(received_at) FROM tapline.scans)) FROM tapline_internal.scan_runs
                """) == ["t f t t"])
    }

    @Test(arguments: [(1, 5), (5, 1), (5, 20), (1, 500)]) func scanIsNotStoredTwice(first: Int, count: Int) throws {
        let fixture = try fixture()
        try copy([scans(10, first: 5)], fixture)
        let error = #expect(throws: PostgresError.self) {
            try copy([scans(count, first: Int64(first))], fixture)
        }
        #expect(error?.blamesData == true)
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 10)
    }
}
