import Ingest
import Postgres
import ScanBatchCodec
import ScanModel
import ScanRuns
import Schema
import TestSupport
import Testing
import Tracking

/// A migrated database with two zones, three gates, five scanners and forty tags of twenty people.
final class IngestFixture {
    let database: TestDatabase
    /// Of the user of `connection` and of the stores.
    let url: String
    let connection: PostgresConnection
    static let relay = "relay"
    /// 2026-06-01T00:00:00Z, microseconds.
    static let day: Int64 = 1_780_272_000_000_000

    /// - Parameter usesRoles: `true` migrates as `tapline_migrate`, and does everything else as `tapline_center`.
    init(usesRoles: Bool = false) throws {
        if usesRoles {
            database = try TestDatabase.migratedByMigrator()
            url = database.url(as: "tapline_center")
        } else {
            database = try TestDatabase.migrated()
            url = database.url
        }
        connection = try PostgresConnection(url: url, applicationName: "tapline-test")
        try connection.execute(
            """
            INSERT INTO tapline.zones (id, name) VALUES (1, 'hall'), (2, 'stage');
            INSERT INTO tapline.gates (id, name, zone_id, from_zone_id)
                VALUES (1, 'door', 1, NULL), (2, 'steps', 2, 1), (3, 'back', 2, NULL);
            INSERT INTO tapline.scanners (id, gate_id, enabled)
                VALUES ('s-1', 1, true), ('s-2', 2, true), ('s-3', NULL, true), ('s-off', 1, false), ('s-4', 3, true);
            INSERT INTO tapline.attendees (id, name) SELECT n, 'a' || n FROM generate_series(1, 20) n;
            INSERT INTO tapline.tags (tag_id, attendee_id) SELECT n, (n + 1) / 2 FROM generate_series(1, 40) n;
            """)
    }

    func store() throws -> IngestStore {
        try IngestStore(
            PostgresConnection(url: url, applicationName: "tapline-test"), relayUsers: [IngestFixture.relay])
    }

    func int(_ sql: String) throws -> Int64 { try connection.query(sql).int(0, 0) }

    /// Returns the first column of all rows.
    func texts(_ sql: String) throws -> [String] {
        let result = try connection.query(sql)
        return (0..<result.rowCount).map { result.text($0, 0) }
    }

    /// Returns the rows of `tapline_internal.scan_runs`, in the order of journal and seq.
    func runs() throws -> [ScanRun] {
        let result = try connection.query(
            "SELECT \(ScanRun.columns) FROM tapline_internal.scan_runs ORDER BY journal_id, first_seq", binary: true)
        return (0..<result.rowCount).map { ScanRun(result, row: $0) }
    }

    /// Joins some neighbouring runs, whatever their lengths.
    func joinRuns(_ random: inout TestRandom) throws {
        var joined: [ScanRun] = []
        for run in try runs() {
            if let end = joined.last, Bool.random(using: &random), end.canJoin(run, after: end.last) {
                joined[joined.count - 1] = ScanRun.joined([end, run])
            } else {
                joined.append(run)
            }
        }
        try connection.execute("BEGIN; DELETE FROM tapline_internal.scan_runs")
        try ScanRunTable(connection).copy(rows: joined, CopyBuffer())
        try connection.execute("COMMIT")
    }

    /// Checks that the counters of every journal match its stored scans.
    func checkBooks() throws {
        #expect(try int("SELECT count(*) FROM tapline.ingest_balance WHERE NOT balanced") == 0)
        #expect(
            try int(
                """
                SELECT count(*) FROM tapline.journals j
                LEFT JOIN (SELECT journal_id, count(*) AS n, max(seq) AS last,
                    count(*) FILTER (WHERE verdict = 64) AS annulments FROM tapline.scans GROUP BY 1) s
                ON s.journal_id = j.id
                WHERE j.stored <> coalesce(s.n, 0) OR j.last_seq <> coalesce(s.last, 0)
                    OR j.annulments <> coalesce(s.annulments, 0)
                """) == 0)
        #expect(
            try int(
                """
                SELECT count(*) FROM tapline.journals j WHERE j.next_seq <> (
                    SELECT min(n) FROM generate_series(1, j.last_seq + 1) n WHERE NOT EXISTS (
                        SELECT FROM tapline.scans s WHERE s.journal_id = j.id AND s.seq = n))
                """) == 0)
    }

    /// Tracks the stored scans, then checks presence by its definition and all other tracked relations.
    func checkPresence() throws {
        try TrackingStore(connection).catchUp()
        try checkTracking()
        let expected = """
            SELECT DISTINCT ON (p.tag_id) p.tag_id, t.attendee_id,
                CASE p.direction WHEN 0 THEN g.zone_id ELSE g.from_zone_id END AS zone_id, p.ordered_at AS since,
                j.scanner_id, p.gate_id, p.direction::smallint, j.log, p.seq, p.journal_id
            FROM tapline_internal.passages p JOIN tapline.journals j ON j.id = p.journal_id
            LEFT JOIN tapline.tags t ON t.tag_id = p.tag_id LEFT JOIN tapline.gates g ON g.id = p.gate_id
            ORDER BY p.tag_id, p.ordered_at DESC, j.log DESC, p.seq DESC
            """
        let written = """
            SELECT tag_id, attendee_id, zone_id, since, scanner_id, gate_id, direction, log, seq, journal_id
            FROM tapline.presence
            """
        let wrong = try int(
            """
            WITH expected AS (\(expected)), written AS (\(written))
            SELECT (SELECT count(*) FROM (SELECT * FROM expected EXCEPT SELECT * FROM written) a)
                + (SELECT count(*) FROM (SELECT * FROM written EXCEPT SELECT * FROM expected) b)
            """)
        #expect(wrong == 0)
    }

    /// Checks that the tracked relations are those that `rebuild_tracking` computes from the scans.
    func checkTracking() throws {
        let differing = try texts(
            "SELECT concat_ws(' ', relation, rows_right, rows_missing, rows_wrong) FROM tapline_internal.rebuild_tracking(false) "
                + "WHERE rows_missing + rows_wrong > 0")
        #expect(differing == [])
    }
}

/// An artificial journal, which a test cuts into deliveries.
struct MadeJournal {
    var scanner: String
    var journalID: JournalID
    /// In the order of their seqs, from 1.
    var scans: [Scan]
    var after: ScanBatch.After?

    /// Returns a journal of admissions with the tags 1 to 40 in turn, one second apart.
    static func admissions(
        _ scanner: String = "s-1", count: Int = 10, journalID: JournalID = .random()
    ) -> MadeJournal {
        let scans = (1...Int64(count)).map { seq in
            Scan(
                seq: seq, atMs: IngestFixture.day / 1_000 + seq * 1_000, tag: TagID(rawValue: seq % 40 + 1),
                verdict: .admitted, flags: [], gate: nil, snapshot: 7)
        }
        return MadeJournal(scanner: scanner, journalID: journalID, scans: scans)
    }

    /// Returns the batch of seqs first ..< first + count, as a scanner sends it.
    func batch(_ first: Int, _ count: Int, sentMicros: Int64 = IngestFixture.day) -> ScanBatch {
        let slice = scans[(first - 1)..<(first - 1 + count)]
        var batch = ScanBatch(
            scanner: ScannerID(scanner)!, journalID: journalID, scans: slice, sentMicros: sentMicros,
            backlog: Int64(scans.count - first - count + 1))
        if first == 1 { batch.after = after }
        return batch
    }
}

extension ScanBatch {
    func delivery(
        user: String? = IngestFixture.relay, receivedMicros: Int64 = IngestFixture.day + 86_400_000_000
    ) -> IngestDelivery {
        IngestDelivery(
            routingKey: Array("scan.\(scanner)".utf8), userID: user, body: encoded(), receivedMicros: receivedMicros)
    }
}
