import Crypto
import ScanBatchCodec

/// The SHA-256 of the scans of a batch.
///
/// A repeated batch usually has the same boundaries as before. Its digest identifies it without a comparison scan by
/// scan.
enum BatchDigest {
    /// Minimum number of scans. Smaller batches are compared scan by scan: a row of `tapline_internal.batches` for each
    /// would cost more.
    static let minimumScans = 32

    /// Returns the digest of a batch; `nil` if the batch is too small.
    static func of(_ batch: ScanBatch) -> [UInt8]? {
        guard batch.count >= minimumScans else { return nil }
        var hash = SHA256()
        // The columns that make two scans equal (`ScanContent`). Equal scans with another base time have another
        // digest, and are then compared scan by scan.
        hash.update(column: [batch.baseMicros])
        hash.update(column: batch.atMs)
        hash.update(column: batch.tags)
        hash.update(batch.verdicts)
        hash.update(batch.flags)
        return hash.finish()
    }
}

/// A row of `tapline_internal.batches`: the boundaries and the digest of a batch.
struct BatchIdentity {
    /// The row ID of the journal.
    let journal: Int64
    let first: Int64
    let last: Int64
    let digest: [UInt8]

    init(journal: Int64, batch: ScanBatch, digest: [UInt8]) {
        self.journal = journal
        first = batch.first
        last = batch.last
        self.digest = digest
    }
}
