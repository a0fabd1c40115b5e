import Crypto
import Postgres
import ScanBatchCodec
import ScanModel

/// The deliveries of a group that go to `tapline.quarantine`. Each (routing key, reason, SHA-256 of the body) is one
/// row.
struct Quarantine {
    private struct Key: Hashable {
        let routingKey: String
        let reason: String
        let hash: [UInt8]
    }
    private struct Row {
        var receivedMicros: Int64
        var scanner: String?
        var userID: String?
        var detail: String
        var times: Int64
        /// Size of the whole body, in bytes.
        var size: Int64
        var body: [UInt8]
    }

    private var rows: [Key: Row] = [:]

    /// Maximum length of a detail, in characters. It is a sentence or a list of seqs.
    private static let detailLimit = 4_000

    /// Adds a delivery, or counts it if the same one is held already.
    mutating func add(_ delivery: IngestDelivery, _ reason: BatchError.Reason, _ detail: String) {
        let key = Key(
            routingKey: ValidatedDelivery.text(delivery.routingKey), reason: reason.rawValue,
            hash: delivery.whole?.hash ?? SHA256.hash(delivery.body))
        if rows[key] != nil {
            rows[key]?.times += 1
            return
        }
        rows[key] = Row(
            receivedMicros: delivery.receivedMicros, scanner: ValidatedDelivery.scanner(of: delivery.routingKey)?.text,
            userID: delivery.userID.map { ValidatedDelivery.text(Array($0.utf8)) },
            detail: String(ValidatedDelivery.text(Array(detail.utf8)).prefix(Quarantine.detailLimit)), times: 1,
            size: Int64(delivery.whole?.size ?? delivery.body.count), body: delivery.body)
    }

    /// Writes the rows within the transaction of the group.
    func write(_ connection: PostgresConnection) throws(PostgresError) {
        // Sorted, so that two writers with the same deliveries do not deadlock.
        let sorted = rows.sorted { ($0.key.routingKey, $0.key.reason) < ($1.key.routingKey, $1.key.reason) }
        for (key, row) in sorted {
            try connection.query(
                """
                INSERT INTO tapline.quarantine AS q
                    (received_at, last_received_at, routing_key, scanner_id, reason, detail, times, size, body, sha256,
                    user_id)
                VALUES ($1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                ON CONFLICT (routing_key, reason, sha256) DO UPDATE SET
                    times = q.times + excluded.times,
                    last_received_at = greatest(q.last_received_at, excluded.last_received_at)
                """,
                [
                    .timestamp(row.receivedMicros), .text(key.routingKey), .optional(row.scanner), .text(key.reason),
                    .text(row.detail), .int64(row.times), .int64(row.size), .bytes(row.body), .bytes(key.hash),
                    .optional(row.userID),
                ])
        }
    }
}
