import Crypto
import Postgres
import ScanBatchCodec
import ScanModel

/// The deliveries of a group that go to `tapline.quarantine`. Each (routing key, reason, SHA-256 of the body) is one
/// row.
///
/// Heartbeats hold no scan, and a scanner that was removed sends one every 15 s. Those of one (routing key, reason)
/// share a row, which counts them and holds the newest.
///
/// Each row takes a share of its owner: the broker user that published it. For a relay user, it is the scanner of the
/// routing key, if it is enrolled. Deliveries without a user share one owner. So a credential fills no other share.
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

    /// Writes the rows within the transaction of the group, and drops the oldest ones of owners above their limits.
    ///
    /// - Parameters:
    ///   - connection: in a transaction.
    ///   - limits: the share of each owner.
    ///   - relayUsers: broker users that publish for other scanners.
    /// - Returns: the number of older bodies and rows that were dropped.
    func write(
        _ connection: PostgresConnection, _ limits: ScannerLimits, relayUsers: Set<String>
    ) throws(PostgresError) -> Int64 {
        guard !rows.isEmpty else { return 0 }
        let relayed = rows.values.filter { $0.userID.map(relayUsers.contains) ?? false }
        let enrolled = try ScannerTable(connection: connection).rows(Set(relayed.compactMap(\.scanner)))
        func owner(_ row: Row) -> String {
            guard let user = row.userID else { return "" }
            guard relayUsers.contains(user), let scanner = row.scanner, enrolled[scanner] != nil else { return user }
            return scanner
        }
        // Sorted, so that two writers with the same deliveries do not deadlock.
        let sorted = rows.map { (key: $0.key, row: $0.value, owner: owner($0.value)) }
            .sorted { ($0.owner, $0.key.routingKey, $0.key.reason) < ($1.owner, $1.key.routingKey, $1.key.reason) }
        for (key, row, owner) in sorted {
            try connection.query(
                key.hash == nil ? Quarantine.heartbeatStatement : Quarantine.statement,
                [
                    .timestamp(row.receivedMicros), .text(key.routingKey), .optional(row.scanner), .text(key.reason),
                    .text(row.detail), .int64(row.times), .int64(row.size), .bytes(row.body), .bytes(row.hash),
                    .optional(row.userID), .bool(key.hash == nil), .timestamp(row.lastReceivedMicros), .text(owner),
                ])
        }
        let result = try connection.query(
            "SELECT tapline_internal.limit_quarantine($1, $2, $3)",
            [
                .texts(Set(sorted.map(\.owner)).sorted()), .int64(limits.quarantineBytes),
                .int64(limits.quarantineBatches),
            ])
        return result.int(0, 0)
    }

    private static let insertion = """
        INSERT INTO tapline.quarantine AS q
            (received_at, last_received_at, routing_key, scanner_id, reason, detail, times, size, body, sha256, user_id,
            is_heartbeat, owner)
        VALUES ($1, $12, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $13)
        """

    /// A body that was dropped is kept again.
    private static let statement = """
        \(insertion)
        ON CONFLICT (routing_key, reason, sha256) WHERE NOT is_heartbeat DO UPDATE SET
            times = q.times + excluded.times,
            last_received_at = greatest(q.last_received_at, excluded.last_received_at),
            body = CASE WHEN q.body_dropped_at IS NULL THEN q.body ELSE excluded.body END, body_dropped_at = NULL
        """

    private static let heartbeatStatement = """
        \(insertion)
        ON CONFLICT (routing_key, reason) WHERE is_heartbeat DO UPDATE SET
            times = q.times + excluded.times, last_received_at = excluded.last_received_at, detail = excluded.detail,
            size = excluded.size, body = excluded.body, sha256 = excluded.sha256, user_id = excluded.user_id,
            body_dropped_at = NULL
        """
}
