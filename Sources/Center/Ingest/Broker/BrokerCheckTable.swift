import Postgres

/// The rows of the last check of the broker: `tapline_internal.broker_check` and `broker_warning`.
struct BrokerCheckTable {
    let connection: PostgresConnection

    /// Reads the state of the canary.
    func canary() throws(PostgresError) -> CanaryState {
        let rows = try connection.query(
            """
            SELECT canary_placed_at, (extract(epoch FROM canary_lost_after) * 1000000)::bigint
            FROM tapline_internal.broker_check
            """, [], binary: true)
        guard rows.rowCount == 1 else { return CanaryState() }
        return CanaryState(placedMicros: rows.optionalMicroseconds(0, 0), lostAfterMicros: rows.optionalInt(0, 1))
    }

    /// Stores that no canary is placed, before it is removed. After a crash its absence is then no loss.
    func forgetCanary(lostAfterMicros: Int64?) throws(PostgresError) {
        try connection.query(
            """
            UPDATE tapline_internal.broker_check SET canary_placed_at = NULL,
                canary_lost_after = $1 * interval '1 microsecond'
            """, [lostAfterMicros.map { .int64($0) } ?? .null])
    }

    /// Replaces the findings of the check before.
    func write(_ findings: BrokerFindings) throws {
        let warnings = findings.warnings
        try connection.transaction {
            try connection.query(
                """
                INSERT INTO tapline_internal.broker_check AS c (canary_placed_at, canary_lost_after)
                VALUES ($1, $2 * interval '1 microsecond')
                ON CONFLICT (singleton) DO UPDATE SET checked_at = now(), canary_placed_at = excluded.canary_placed_at,
                    canary_lost_after = excluded.canary_lost_after
                """,
                [
                    findings.canary.placedMicros.map { .timestamp($0) } ?? .null,
                    findings.canary.lostAfterMicros.map { .int64($0) } ?? .null,
                ])
            try connection.execute("DELETE FROM tapline_internal.broker_warning")
            try connection.query(
                """
                INSERT INTO tapline_internal.broker_warning (queue, warning)
                SELECT * FROM unnest($1, $2) ON CONFLICT DO NOTHING
                """, [.texts(warnings.map(\.queue)), .texts(warnings.map(\.text))])
        }
    }
}
