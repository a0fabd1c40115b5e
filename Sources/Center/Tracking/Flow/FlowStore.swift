import Postgres

/// Adds counts to `tapline_internal.gate_flow` and `tapline_internal.refusal_flow`, within the transaction that tracks
/// the scans, so each scan is counted once.
struct FlowStore {
    private let connection: PostgresConnection

    init(_ connection: PostgresConnection) { self.connection = connection }

    func add(_ fold: FlowFold) throws(PostgresError) {
        let rows = fold.slots.filter { !$0.value.isEmpty }
            .sorted { ($0.key.gate, $0.key.startMicros) < ($1.key.gate, $1.key.startMicros) }
        guard !rows.isEmpty else { return }
        try connection.query(
            """
            INSERT INTO tapline_internal.gate_flow AS f
                (gate_id, slot, passed_in, passed_out, refused, annulled, untapped, last_at)
            SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (gate_id, slot) DO UPDATE SET
                passed_in = f.passed_in + excluded.passed_in, passed_out = f.passed_out + excluded.passed_out,
                refused = f.refused + excluded.refused, annulled = f.annulled + excluded.annulled,
                untapped = f.untapped + excluded.untapped, last_at = greatest(f.last_at, excluded.last_at)
            """,
            [
                .int64s(rows.map(\.key.gate)), .timestamps(rows.map(\.key.startMicros)),
                .int64s(rows.map(\.value.passedIn)), .int64s(rows.map(\.value.passedOut)),
                .int64s(rows.map(\.value.refused)), .int64s(rows.map(\.value.annulled)),
                .int64s(rows.map(\.value.untapped)), .optionalTimestamps(rows.map(\.value.lastMicros)),
            ])
    }

    /// Adds the refusals by verdict. Their sum is the column `refused` of `add`.
    func addRefusals(_ fold: FlowFold) throws(PostgresError) {
        let rows = fold.refusals.sorted {
            ($0.key.gate, $0.key.minuteMicros, $0.key.verdict) < ($1.key.gate, $1.key.minuteMicros, $1.key.verdict)
        }
        guard !rows.isEmpty else { return }
        try connection.query(
            """
            INSERT INTO tapline_internal.refusal_flow AS f (gate_id, slot, verdict, refused)
            SELECT gate, slot, verdict::smallint, refused FROM unnest($1, $2, $3, $4) AS n(gate, slot, verdict, refused)
            ON CONFLICT (gate_id, slot, verdict) DO UPDATE SET refused = f.refused + excluded.refused
            """,
            [
                .int64s(rows.map(\.key.gate)), .timestamps(rows.map(\.key.minuteMicros)),
                .int64s(rows.map { Int64($0.key.verdict) }), .int64s(rows.map(\.value)),
            ])
    }
}
