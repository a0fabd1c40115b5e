import Postgres
import ScanModel

extension DoubleAdmissions {
    /// Logs the double admissions that follow from passages as they are tracked.
    ///
    /// Call it before `presence` moves: `tapline_internal.log_double_admissions` reads the previous passages of these
    /// persons from it. It handles only passages that come after all others of their person, as nearly all do on a
    /// normal day. The next refresh of the day finds the others, and removes rows that a late scan contradicts.
    ///
    /// - Parameters:
    ///   - passages: the passages of one transaction, in any order.
    ///   - doubting: tags whose row in `presence` may be an admission that was annulled in this transaction.
    ///   - connection: the connection of the tracking transaction.
    static func note(
        _ passages: [(tag: Int64, sighting: Sighting)], doubting: [Int64], _ connection: PostgresConnection
    ) throws(PostgresError) {
        guard passages.contains(where: { !$0.sighting.isOut }) else { return }
        try connection.query(
            "SELECT tapline_internal.log_double_admissions($1, $2, $3, $4, $5, $6, $7, $8)",
            [
                .int64s(passages.map(\.tag)), .timestamps(passages.map(\.sighting.orderedAt)),
                .uuids(passages.map { PostgresUUID(high: $0.sighting.log.high, low: $0.sighting.log.low) }),
                .int64s(passages.map(\.sighting.journal)), .int64s(passages.map(\.sighting.seq)),
                .int16s(passages.map { $0.sighting.isOut ? 1 : 0 }), .optionalInt64s(passages.map(\.sighting.gate)),
                .int64s(doubting),
            ])
    }
}
