import AccessControl
import Postgres
import Registry
import Runtime
import ScanModel
import Snapshots

/// The refused scans of one person, or of one tag, on the current event day, with the reasons.
struct Refusals {
    /// Maximum number of scans in an answer, the newest. A band at a closed gate is tapped often.
    static let limit = 100

    /// One refused scan.
    struct Row: Encodable {
        /// Device clock, RFC 3339.
        let time: String
        let gate: String?
        let verdict: String
        let rule: String
        let reason: String
        let snapshot: Int64?
        let isReplayed: Bool

        private enum Key: String, CodingKey {
            case time, gate, verdict, rule, reason, snapshot
            case isReplayed = "is_replayed"
        }

        /// The synthesized method would omit missing values.
        func encode(to encoder: any Encoder) throws {
            var object = encoder.container(keyedBy: Key.self)
            try object.encode(time, forKey: .time)
            try object.encode(gate, forKey: .gate)
            try object.encode(verdict, forKey: .verdict)
            try object.encode(rule, forKey: .rule)
            try object.encode(reason, forKey: .reason)
            try object.encode(snapshot, forKey: .snapshot)
            try object.encode(isReplayed, forKey: .isReplayed)
        }
    }

    /// The answer.
    struct Day: Encodable {
        let asOf: String
        let refusals: [Row]
        /// Whether there are more than `limit`.
        let more: Bool

        private enum CodingKeys: String, CodingKey {
            case refusals, more
            case asOf = "as_of"
        }
    }

    private let connection: PostgresConnection
    private let snapshots: String?

    init(_ connection: PostgresConnection, snapshots: String?) {
        self.connection = connection
        self.snapshots = snapshots
    }

    /// Returns the refused scans of the current event day, the newest first; `nil` if there is no such person.
    ///
    /// - Throws: `PostgresError`.
    func today(of attendee: Int64) throws -> Day? {
        let known = try connection.query("SELECT FROM tapline.attendees WHERE id = $1", [.int64(attendee)])
        guard known.rowCount == 1 else { return nil }
        return try day("tapline.person_day($1)", attendee)
    }

    /// Returns the refused scans of a tag on the current event day, the newest first. The tag may be on no list.
    ///
    /// - Throws: `PostgresError`.
    func today(of tag: TagID) throws -> Day {
        // As in `person_day`, which begins with the tags of a person.
        try day(
            """
            (SELECT s.verdict, s.flags, s.tag_id, s.gate_id, g.name AS gate, s.snapshot_version, s.ordered_at AS "time",
                s.verdict = 0 AND s.flags & 16 <> 16 AND NOT s.is_annulled AND NOT s.is_void AS counts,
                CASE WHEN s.flags & 1 = 0 THEN 'in' ELSE 'out' END AS direction
            FROM tapline.event_settings e
            CROSS JOIN LATERAL (SELECT *, tapline.scan_time(journal_id, seq, flags, scanned_at, received_at) AS ordered_at
                FROM tapline.scans_of($1)) s
            JOIN tapline.journals j ON j.id = s.journal_id
            LEFT JOIN tapline.gates g ON g.id = s.gate_id
            WHERE tapline_internal.event_day(s.ordered_at, e.time_zone, e.day_start)
                = tapline_internal.event_day(now(), e.time_zone, e.day_start)
            ORDER BY s.ordered_at, j.log, s.seq) AS scans_of_day
            """, tag.rawValue)
    }

    /// - Parameters:
    ///   - scans: the scans of the day in their order: the columns of `person_day` that are read here.
    ///   - id: value of `$1`.
    private func day(_ scans: String, _ id: Int64) throws -> Day {
        let asOf = try connection.query("SELECT \(PersonReport.time("now()"))")
        let rows = try connection.query(
            """
            SELECT * FROM (
                SELECT verdict, flags, tag_id, gate_id, gate, snapshot_version, \(PersonReport.time("time")),
                    floor(extract(epoch FROM time) * 1000)::bigint,
                    floor(extract(epoch FROM max(time) FILTER (WHERE counts AND direction = 'in') OVER (
                        ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) * 1000)::bigint, place
                FROM (SELECT *, row_number() OVER () AS place FROM \(scans)) track) scans
            WHERE verdict BETWEEN 1 AND 63 ORDER BY place DESC LIMIT $2
            """, [.int64(id), .int32(Int32(Self.limit + 1))])
        var opened = OpenSnapshots(folder: snapshots)
        let found = (0..<min(rows.rowCount, Self.limit)).map { row in
            let verdict = Verdict(rawValue: UInt8(rows.int(row, 0)))
            let version = rows.optionalInt(row, 5)
            let scan = RefusalExplanation.Scan(
                tag: TagID(rawValue: rows.int(row, 2)), gate: rows.optionalInt(row, 3), atMs: rows.int(row, 7),
                verdict: verdict, flags: Flags(rawValue: UInt8(rows.int(row, 1))),
                admittedBeforeMs: rows.optionalInt(row, 8))
            let explanation = opened.explain(scan, version: version)
            return Row(
                time: rows.text(row, 6), gate: rows.optionalText(row, 4), verdict: verdict.name,
                rule: explanation.reason.rule.rawValue, reason: explanation.reason.text, snapshot: version,
                isReplayed: explanation.isReplayed)
        }
        return Day(asOf: asOf.text(0, 0), refusals: found, more: rows.rowCount > Self.limit)
    }
}

/// The snapshot that one answer reads. Scans of one day mostly have few versions, so one is kept open.
private struct OpenSnapshots {
    let folder: String?
    private var open: Snapshot?
    private var missing: Set<Int64> = []

    init(folder: String?) { self.folder = folder }

    mutating func explain(_ scan: RefusalExplanation.Scan, version: Int64?) -> RefusalExplanation {
        let snapshot = version.flatMap { self.snapshot($0) }
        do { return try RefusalExplanation(scan, snapshot: snapshot) } catch {
            // A file that was removed or is damaged is the same as none.
            return RefusalExplanation(meaningOf: scan)
        }
    }

    private mutating func snapshot(_ version: Int64) -> Snapshot? {
        if let open, open.version == version { return open }
        guard let folder, version > 0, !missing.contains(version) else { return nil }
        guard let found = try? Snapshot(path: folder + "/" + SnapshotFileName.of(version)), found.version == version
        else {
            missing.insert(version)
            return nil
        }
        open = found
        return found
    }
}
