import Crypto
import Postgres
import ScanBatchCodec
import ScanModel

/// The deliveries of a group that go to `tapline.quarantine`. Each (routing key, reason, SHA-256 of the body) is one
/// row.
///
/// Heartbeats hold no scan, and a scanner that was removed sends one every 15 s. Those of one (routing key, reason)
/// share a row, which counts them and holds the newest.
struct Quarantine {
    private struct Key: Hashable {
        let routingKey: String
        let reason: String
        /// `nil` for heartbeats.
        let hash: [UInt8]?
    }
    private struct Row {
        var receivedMicros: Int64
        var lastReceivedMicros: Int64
        var scanner: String?
        var userID: String?
        var detail: String
        var times: Int64
        /// Size of the whole body, in bytes.
        var size: Int64
        var body: [UInt8]
        var hash: [UInt8]
    }

    private var rows: [Key: Row] = [:]

    /// Maximum length of a detail, in characters. It is a sentence or a list of seqs.
    private static let detailLimit = 4_000

    /// Adds a delivery, or counts it if the same one is held already.
    mutating func add(
        _ delivery: IngestDelivery, _ reason: BatchError.Reason, _ detail: String, isHeartbeat: Bool = false
    ) {
        let hash = delivery.whole?.hash ?? SHA256.hash(delivery.body)
        let key = Key(
            routingKey: ValidatedDelivery.text(delivery.routingKey), reason: reason.rawValue,
            hash: isHeartbeat ? nil : hash)
        let known = rows[key]
        if known != nil, !isHeartbeat {
            rows[key]?.times += 1
            rows[key]?.lastReceivedMicros = delivery.receivedMicros
            return
        }
        rows[key] = Row(
            receivedMicros: known?.receivedMicros ?? delivery.receivedMicros,
            lastReceivedMicros: delivery.receivedMicros,
            scanner: ValidatedDelivery.scanner(of: delivery.routingKey)?.text,
            userID: delivery.userID.map { ValidatedDelivery.text(Array($0.utf8)) },
            detail: String(ValidatedDelivery.text(Array(detail.utf8)).prefix(Quarantine.detailLimit)),
            times: (known?.times ?? 0) + 1, size: Int64(delivery.whole?.size ?? delivery.body.count),
            body: delivery.body, hash: hash)
    }

    /// Writes the rows within the transaction of the group.
    func write(_ connection: PostgresConnection) throws(PostgresError) {
        // Sorted, so that two writers with the same deliveries do not deadlock.
        let sorted = rows.sorted { ($0.key.routingKey, $0.key.reason) < ($1.key.routingKey, $1.key.reason) }
        for (key, row) in sorted {
            try connection.query(
                key.hash == nil ? Quarantine.heartbeatStatement : Quarantine.statement,
                [
                    .timestamp(row.receivedMicros), .text(key.routingKey), .optional(row.scanner), .text(key.reason),
                    .text(row.detail), .int64(row.times), .int64(row.size), .bytes(row.body), .bytes(row.hash),
                    .optional(row.userID), .bool(key.hash == nil), .timestamp(row.lastReceivedMicros),
                ])
        }
    }

    private static let insertion = """
        INSERT INTO tapline.quarantine AS q
            (received_at, last_received_at, routing_key, scanner_id, reason, detail, times, size, body, sha256, user_id,
            is_heartbeat)
        VALUES ($1, $12, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """

    private static let statement = """
        \(insertion)
        ON CONFLICT (routing_key, reason, sha256) WHERE NOT is_heartbeat DO UPDATE SET
            times = q.times + excluded.times,
            last_received_at = greatest(q.last_received_at, excluded.last_received_at)
        """

    private static let heartbeatStatement = """
        \(insertion)
        ON CONFLICT (routing_key, reason) WHERE is_heartbeat DO UPDATE SET
            times = q.times + excluded.times, last_received_at = excluded.last_received_at, detail = excluded.detail,
            size = excluded.size, body = excluded.body, sha256 = excluded.sha256, user_id = excluded.user_id
        """
}
