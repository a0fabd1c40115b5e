public import Batches

/// A batch as it came in, from the broker, a file or the quarantine.
public struct IngestDelivery: Sendable {
    /// `scan.<scanner>`, as it came: zero bytes and broken UTF-8 are possible.
    public var routingKey: [UInt8]
    /// The user that the broker validated.
    public var userID: String?
    public var body: [UInt8]
    /// Center clock at receipt, microseconds since 1970-01-01 UTC.
    public var receivedMicros: Int64

    public init(routingKey: [UInt8], userID: String?, body: [UInt8], receivedMicros: Int64) {
        (self.routingKey, self.userID, self.body, self.receivedMicros) = (routingKey, userID, body, receivedMicros)
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
