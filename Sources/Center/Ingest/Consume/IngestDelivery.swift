import AMQP
import Crypto
import FileSystem
import Glibc
import LinuxSystem
package import ScanBatchCodec
import ScanModel

/// A batch as it was received: from the broker, from a file, or from the quarantine.
package struct IngestDelivery: Sendable {
    /// `scan.<scanner>` as received. Zero bytes and invalid UTF-8 are possible.
    package var routingKey: [UInt8]
    /// The user that the broker validated; `nil` if the property was absent.
    package var userID: String?
    /// The message body. Of a body over 1 MiB only the first 64 KiB are kept.
    ///
    /// A thousand deliveries may wait for the database, and the broker accepts bodies of 128 MiB from any client.
    package var body: [UInt8] {
        didSet { (body, whole) = Self.cut(body) }
    }
    /// Bytes and SHA-256 of the whole body if `body` is only its beginning.
    private(set) var whole: (size: Int, hash: [UInt8])?
    /// Center clock at receipt, microseconds since 1970-01-01 UTC.
    package var receivedMicros: Int64
    /// Whether the batch was carried as a file or was a dead letter. Its transport time says nothing about the device's
    /// clock.
    package private(set) var isOffline = false
    /// Whether the bytes of a file differ from those that its name promises.
    private(set) var isAltered = false

    /// A delivery of a scanner, or a row of the quarantine.
    ///
    /// - Parameters:
    ///   - routingKey: as received; not necessarily valid text.
    ///   - userID: the validated user of the publisher's connection.
    ///   - body: the encoded batch, of any size.
    ///   - receivedMicros: center clock at receipt, microseconds since 1970-01-01 UTC.
    package init(routingKey: [UInt8], userID: String?, body: [UInt8], receivedMicros: Int64) {
        self.routingKey = routingKey
        self.userID = userID
        self.receivedMicros = receivedMicros
        (self.body, whole) = Self.cut(body)
    }

    /// A delivery from the broker. Of a body over 1 MiB only the beginning was kept.
    ///
    /// - Parameters:
    ///   - delivery: as received.
    ///   - receivedMicros: center clock at receipt, microseconds since 1970-01-01 UTC.
    init(_ delivery: AMQPDelivery, receivedMicros: Int64) {
        self.init(
            routingKey: delivery.routingKey, userID: delivery.userID, body: delivery.body,
            receivedMicros: receivedMicros)
        if let whole = delivery.whole { self.whole = (whole.size, whole.sha256) }
    }

    /// A dead letter, which was received at some time before.
    ///
    /// - Parameters:
    ///   - body: the whole content.
    ///   - routingKey: as received; not necessarily valid text.
    ///   - userID: the validated user of the publisher's connection.
    ///   - receivedMicros: center clock, microseconds since 1970-01-01 UTC.
    init(deadLetter body: [UInt8], routingKey: [UInt8], userID: String?, receivedMicros: Int64) {
        self.init(routingKey: routingKey, userID: userID, body: body, receivedMicros: receivedMicros)
        isOffline = true
    }

    /// Maximum size of a batch file, in bytes. A larger file is not read: hashing a sparse file of terabytes would take
    /// hours. Batches have at most 1 MiB.
    static let fileLimitBytes = 64 << 20

    /// A batch file.
    ///
    /// The identity is the one that the batch names: access to the database implies the right to publish for any
    /// scanner. A file that is not a batch gets its file name as routing key. So does a file whose bytes differ from
    /// the digest in its name. A batch altered on a USB stick must not be stored when the quarantine is replayed
    /// either.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - receivedMicros: center clock, microseconds since 1970-01-01 UTC.
    /// - Throws: `SystemError` if the file cannot be read, is no regular file, or exceeds `fileLimitBytes`.
    package init(file path: String, receivedMicros: Int64) throws {
        let file = try ForeignFile(path)
        guard file.size <= Self.fileLimitBytes else {
            throw SystemError("read \(path)", code: EFBIG, text: "\(file.size) bytes: this is no batch")
        }
        var bytes: [UInt8] = []
        var size = 0
        var sum = SHA256()
        try file.readChunks { chunk in
            size += chunk.count
            sum.update(chunk)
            // One byte over the limit is enough to reject the batch as oversized.
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
        isOffline = true
        self.isAltered = isAltered
    }

    private static func cut(_ body: [UInt8]) -> (body: [UInt8], whole: (size: Int, hash: [UInt8])?) {
        guard body.count > ScanBatch.bodyLimitBytes else { return (body, nil) }
        return (Array(body[..<ValidatedDelivery.oversizedKeptBytes]), (body.count, SHA256.hash(body)))
    }
}

/// The result of a delivery whose transaction has committed.
package enum IngestOutcome: Sendable, Equatable {
    /// Accepted, with counts of its scans. A delivery with conflicts is in the quarantine as well.
    case accepted(stored: Int, duplicates: Int, conflicts: Int)
    /// Not stored, for a reason of contract.md section 3. The delivery is in the quarantine, unless it was a replay.
    case quarantined(BatchError.Reason, detail: String)
    /// Rejected by the database even as a quarantine row.
    case rejected(detail: String)

    /// Number of accepted scans: new ones, duplicates and conflicts.
    var scans: Int {
        if case .accepted(let stored, let duplicates, let conflicts) = self { return stored + duplicates + conflicts }
        return 0
    }
}
