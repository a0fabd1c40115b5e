import Crypto
import ScanBatchCodec

/// The SHA-256 of what a batch says of its scans, so that the same batch again is known without comparing scan by scan: who
/// sends it again usually sends it cut as before.
enum BatchDigest {
    /// Smaller batches are compared scan by scan: a row of `tapline_internal.batches` for each would cost more.
    static let leastScans = 32

    /// Nil for a batch that is too small.
    static func of(_ batch: ScanBatch) -> [UInt8]? {
        guard batch.count >= leastScans else { return nil }
        var hash = SHA256()
        // What makes two scans the same (ScanContent), as columns; equal scans under another base only miss the short cut.
        hash.update(column: [batch.baseMicros])
        hash.update(column: batch.atMs)
        hash.update(column: batch.tags)
        hash.update(batch.verdicts)
        hash.update(batch.flags)
        return hash.finish()
    }
}
