import Crypto
import ScanBatchCodec
import ScanModel

/// The result of the checks that need no database: decoding and identity.
enum ValidatedDelivery: Sendable {
    /// A valid batch.
    case batch(ScanBatch)
    /// A delivery for the quarantine.
    case invalid(BatchError)

    /// Whether the delivery is certainly a heartbeat, valid or not.
    var isHeartbeat: Bool {
        switch self {
        case .batch(let batch): batch.count == 0
        case .invalid(let error): error.isHeartbeat
        }
    }

    /// The prefix of every routing key (contract.md section 3).
    static let routingPrefix = Array("scan.".utf8)
    /// The size that the quarantine keeps of a body over 1 MiB, in bytes (contract.md section 3).
    static let oversizedKeptBytes = 64 << 10

    /// Decodes a delivery and checks its identity.
    ///
    /// - Parameters:
    ///   - delivery: the delivery to check.
    ///   - relayUsers: broker users that may publish for any scanner.
    init(_ delivery: IngestDelivery, relayUsers: Set<String>) {
        do throws(BatchError) {
            if let whole = delivery.whole {
                throw BatchError(
                    .oversized,
                    "\(whole.size) bytes, SHA-256 \(Hex.encode(whole.hash)); kept: the first "
                        + "\(ValidatedDelivery.oversizedKeptBytes)")
            }
            if delivery.isAltered {
                throw BatchError(.malformed, "the bytes do not match the digest in the file name: file altered")
            }
            let batch = try ScanBatch(decoding: delivery.body)
            do throws(BatchError) {
                try ValidatedDelivery.checkIdentity(of: batch, in: delivery, relayUsers: relayUsers)
            } catch { throw BatchError(error.reason, error.detail, isHeartbeat: batch.count == 0) }
            self = .batch(batch)
        } catch {
            self = .invalid(error)
        }
    }

    /// Checks routing key, scanner and user against each other (contract.md section 3, reason `identity`).
    private static func checkIdentity(
        of batch: ScanBatch, in delivery: IngestDelivery, relayUsers: Set<String>
    ) throws(BatchError) {
        guard let scanner = scanner(of: delivery.routingKey) else {
            throw BatchError(.identity, "no valid scanner in the routing key")
        }
        guard batch.scanner == scanner.text else {
            throw BatchError(.identity, "the batch names another scanner than its routing key (\(scanner))")
        }
        guard let user = delivery.userID else { throw BatchError(.identity, "no user_id") }
        guard user == scanner.text || relayUsers.contains(user) else {
            throw BatchError(.identity, "the publishing user is neither \(scanner) nor a relay user")
        }
    }

    /// Returns the scanner that a routing key names, enrolled or not; `nil` if the key is invalid.
    static func scanner(of routingKey: [UInt8]) -> ScannerID? {
        guard routingKey.starts(with: routingPrefix) else { return nil }
        return String(validating: routingKey.dropFirst(routingPrefix.count), as: UTF8.self).flatMap { ScannerID($0) }
    }

    /// Converts bytes to a text that PostgreSQL accepts.
    ///
    /// - Returns: UTF-8 without NUL unchanged; otherwise each byte that is not printable ASCII as `\x00`.
    static func text(_ bytes: [UInt8]) -> String {
        if !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) { return text }
        return bytes.map { byte in
            (32..<127).contains(byte)
                ? String(UnicodeScalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }
}
