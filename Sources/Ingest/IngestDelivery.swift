public import Batches
import Crypto

/// A batch as it came in, from the broker, a file or the quarantine.
public struct IngestDelivery: Sendable {
    /// `scan.<scanner>`, as it came: zero bytes and broken UTF-8 are possible.
    public var routingKey: [UInt8]
    /// The user that the broker validated.
    public var userID: String?
    /// Of one over 1 MiB only the first 64 KiB: a thousand deliveries may wait for the database, and the broker takes bodies
    /// of 128 MiB from anybody.
    public var body: [UInt8] {
        didSet { (body, whole) = Self.cut(body) }
    }
    /// Bytes and SHA-256 of the whole body, where `body` is its beginning.
    private(set) var whole: (size: Int, hash: [UInt8])?
    /// Center clock at receipt, microseconds since 1970-01-01 UTC.
    public var receivedMicros: Int64

    public init(routingKey: [UInt8], userID: String?, body: [UInt8], receivedMicros: Int64) {
        (self.routingKey, self.userID, self.receivedMicros) = (routingKey, userID, receivedMicros)
        (self.body, whole) = Self.cut(body)
    }

    private static func cut(_ body: [UInt8]) -> (body: [UInt8], whole: (size: Int, hash: [UInt8])?) {
        guard body.count > ScanBatch.bodyLimitBytes else { return (body, nil) }
        return (Array(body[..<Intake.oversizedKeptBytes]), (body.count, SHA256.hash(body)))
    }
}

/// What became of one, once its transaction has committed.
public enum IngestOutcome: Sendable, Equatable {
    /// Taken: counts of its scans. With conflicts its bytes are in the quarantine as well.
    case taken(stored: Int, duplicates: Int, conflicts: Int)
    /// Not taken, for a reason of SPEC.md section 3.
    case quarantined(BatchError.Reason, detail: String)
    /// Not even the quarantine takes it.
    case refused(detail: String)
}
