import Crypto
import FileSystem
package import ScanBatchCodec
import ScanModel

/// A batch as it came in, from the broker, a file or the quarantine.
package struct IngestDelivery: Sendable {
    /// `scan.<scanner>`, as it came: zero bytes and broken UTF-8 are possible.
    package var routingKey: [UInt8]
    /// The user that the broker validated.
    package var userID: String?
    /// Of one over 1 MiB only the first 64 KiB: a thousand deliveries may wait for the database, and the broker takes bodies
    /// of 128 MiB from anybody.
    package var body: [UInt8] {
        didSet { (body, whole) = Self.cut(body) }
    }
    /// Bytes and SHA-256 of the whole body, where `body` is its beginning.
    private(set) var whole: (size: Int, hash: [UInt8])?
    /// Center clock at receipt, microseconds since 1970-01-01 UTC.
    package var receivedMicros: Int64
    /// Carried here as a file: the time between `sent` and receipt is the runner's, and says nothing of the device's clock.
    package private(set) var isByHand = false
    /// A file that holds other bytes than were written under its name.
    private(set) var isAltered = false

    package init(routingKey: [UInt8], userID: String?, body: [UInt8], receivedMicros: Int64) {
        (self.routingKey, self.userID, self.receivedMicros) = (routingKey, userID, receivedMicros)
        (self.body, whole) = Self.cut(body)
    }

    /// A batch file. Who may read files into the database may speak for any scanner, so the identity is the one that the batch
    /// names. One that is no batch, or whose bytes are not those that its name promises, goes by its name alone: what a stick
    /// has altered must not be stored when the quarantine is replayed either.
    ///
    /// Throws `SystemError` for a file that cannot be read.
    package init(file path: String, receivedMicros: Int64) throws {
        var (bytes, size, sum): ([UInt8], Int, SHA256) = ([], 0, SHA256())
        try Files.readChunks(path) { chunk in
            size += chunk.count
            sum.update(chunk)
            // One byte over the limit tells as much as all of them.
            bytes += chunk.prefix(ScanBatch.bodyLimitBytes + 1 - bytes.count)
        }
        let hash = sum.finish()
        let text = path.split(separator: "/").last.map(String.init) ?? path
        let name = BatchFileName(text)
        let isAltered = name.map { $0.digest != Hex.encode(Array(hash.prefix(BatchFileName.digestBytes))) } ?? false
        let scanner = isAltered ? nil : (try? ScanBatch(decoding: bytes))?.scanner ?? name?.scanner.text
        self.init(
            routingKey: scanner.map { ValidatedDelivery.routingPrefix + Array($0.utf8) } ?? Array("file \(text)".utf8),
            userID: scanner, body: bytes, receivedMicros: receivedMicros)
        if whole != nil { whole = (size, hash) }
        (isByHand, self.isAltered) = (true, isAltered)
    }

    private static func cut(_ body: [UInt8]) -> (body: [UInt8], whole: (size: Int, hash: [UInt8])?) {
        guard body.count > ScanBatch.bodyLimitBytes else { return (body, nil) }
        return (Array(body[..<ValidatedDelivery.oversizedKeptBytes]), (body.count, SHA256.hash(body)))
    }
}

/// What became of one, once its transaction has committed.
package enum IngestOutcome: Sendable, Equatable {
    /// Taken: counts of its scans. With conflicts its bytes are in the quarantine as well.
    case taken(stored: Int, duplicates: Int, conflicts: Int)
    /// Not taken, for a reason of SPEC.md section 3.
    case quarantined(BatchError.Reason, detail: String)
    /// Not even the quarantine takes it.
    case refused(detail: String)
}
