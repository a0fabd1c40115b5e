import Crypto
import ScanBatchCodec
import ScanModel

/// What can be said of a delivery without the database.
enum ValidatedDelivery: Sendable {
    /// With its `BatchDigest`.
    case batch(ScanBatch, digest: [UInt8]?)
    case poison(BatchError)

    /// The prefix of every routing key.
    static let routingPrefix = Array("scan.".utf8)
    /// Of a body over 1 MiB the quarantine keeps this much.
    static let oversizedKeptBytes = 64 << 10

    /// - Parameter relayUsers: users that may publish for any scanner.
    init(_ delivery: IngestDelivery, relayUsers: Set<String>) {
        do throws(BatchError) {
            if let whole = delivery.whole {
                throw BatchError(
                    .oversized,
                    "\(whole.size) bytes, SHA-256 \(Hex.encode(whole.hash)); kept: the first "
                        + "\(ValidatedDelivery.oversizedKeptBytes)")
            }
            if delivery.isAltered {
                throw BatchError(
                    .malformed, "other bytes than were written under this name: torn or altered on its way")
            }
            let batch = try ScanBatch(decoding: delivery.body)
            try ValidatedDelivery.checkIdentity(of: batch, delivery, relayUsers)
            self = .batch(batch, digest: BatchDigest.of(batch))
        } catch {
            self = .poison(error)
        }
    }

    private static func checkIdentity(
        of batch: ScanBatch, _ delivery: IngestDelivery, _ relayUsers: Set<String>
    ) throws(BatchError) {
        guard let scanner = scanner(of: delivery.routingKey) else {
            throw BatchError(.identity, "the routing key names no scanner")
        }
        guard batch.scanner == scanner.text else {
            throw BatchError(.identity, "the batch is of another scanner than its routing key \(scanner)")
        }
        guard let user = delivery.userID else { throw BatchError(.identity, "no user_id") }
        guard user == scanner.text || relayUsers.contains(user) else {
            throw BatchError(.identity, "published by a user that is neither \(scanner) nor a relay user")
        }
    }

    /// The identity that a routing key names, enrolled or not.
    static func scanner(of routingKey: [UInt8]) -> ScannerID? {
        guard routingKey.starts(with: routingPrefix) else { return nil }
        return String(validating: routingKey.dropFirst(routingPrefix.count), as: UTF8.self).flatMap { ScannerID($0) }
    }

    /// Bytes as text that PostgreSQL takes: UTF-8 without NUL as it is, else each byte that is not printable ASCII as `\x00`.
    static func text(_ bytes: [UInt8]) -> String {
        if !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) { return text }
        return bytes.map { byte in
            (32..<127).contains(byte)
                ? String(UnicodeScalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }
}
