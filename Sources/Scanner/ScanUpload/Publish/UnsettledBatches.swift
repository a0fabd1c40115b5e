import ScanModel

/// The journals to publish, their upload cursors, and the batches that were published and are not settled.
///
/// The cursor of a journal moves only over a contiguous prefix of confirmed batches.
struct UnsettledBatches: Sendable {
    struct Batch: Sendable {
        let id: UInt64
        let journalID: JournalID
        let first: Int64
        /// `first - 1` for a heartbeat.
        fileprivate(set) var last: Int64
        fileprivate(set) var bytes: Int
        /// The delivery tag, or `nil` while the batch waits to be published again.
        fileprivate(set) var tag: UInt64?
        fileprivate(set) var sentMs: Int64
        fileprivate(set) var isConfirmed = false
        /// Whether the broker had no queue for it. The confirm that follows does not count.
        fileprivate(set) var isReturned = false

        /// Number of scans; 0 for a heartbeat.
        var count: Int { Int(last - first + 1) }
        fileprivate var isInFlight: Bool { tag != nil && !isConfirmed }
    }

    /// The tag of seqs that are missing. Those of the broker begin at 1.
    private static let noTag: UInt64 = 0

    /// The journals of the scanner, in order of creation.
    private(set) var sources: [PublishWindow.Source] = []
    /// In publish order.
    private var batches: [Batch] = []
    private var nextID: UInt64 = 1
    /// The last published seq by journal. Equals the cursor if nothing of the journal is unsettled.
    private var sent: [JournalID: Int64] = [:]
    /// The last seq of the confirmed prefix by journal.
    private var cursors: [JournalID: Int64]
    private var advances: [JournalID: Int64] = [:]
    /// Number of seqs over which cursors moved although the journal does not contain them.
    private(set) var missing: Int64 = 0

    init(cursors: [JournalID: Int64]) { self.cursors = cursors }

    // MARK: State

    var count: Int { batches.count }
    subscript(index: Int) -> Batch { batches[index] }

    /// Number of batches that are published and not confirmed, heartbeats included.
    var inFlight: Int { batches.count { $0.isInFlight } }
    /// Whether scans are published and not confirmed.
    var hasScansInFlight: Bool { batches.contains { $0.isInFlight && $0.count > 0 } }
    var hasHeartbeat: Bool { batches.contains { $0.count == 0 && !$0.isConfirmed } }
    /// The oldest batch that must be published again.
    var firstToRepeat: Batch? { batches.first { $0.tag == nil } }

    /// The last published seq of a journal.
    func lastSent(_ id: JournalID) -> Int64 { sent[id] ?? 0 }
    /// The last confirmed seq of a journal.
    func cursor(_ id: JournalID) -> Int64 { cursors[id] ?? 0 }

    /// Number of scans in a batch and those after it.
    func scans(from batch: Batch) -> Int64 { batches.reduce(0) { $0 + ($1.id >= batch.id ? Int64($1.count) : 0) } }

    /// Returns whether another batch may be in flight. At least one batch is always allowed, of any size.
    func hasRoom(_ limits: PublishWindow.Limits) -> Bool {
        let window = batches.reduce(into: (count: 0, bytes: 0)) { sum, batch in
            guard batch.isInFlight else { return }
            sum = (sum.count + 1, sum.bytes + batch.bytes)
        }
        return window.count == 0 || window.count < limits.windowBatches && window.bytes < limits.windowBytes
    }

    /// Returns the indices of the batches in flight that a confirm or rejection of the broker covers.
    func indices(tag: UInt64, multiple: Bool) -> [Int] {
        batches.indices.filter { index in
            guard let own = batches[index].tag, !batches[index].isConfirmed else { return false }
            return multiple ? own <= tag : own == tag
        }
    }

    var hasAdvances: Bool { !advances.isEmpty }

    mutating func takeAdvances() -> [JournalID: Int64] {
        defer { advances = [:] }
        return advances
    }

    // MARK: Changes

    /// Replaces the journals.
    ///
    /// - Returns: `false` if a batch belongs to a journal that is gone, because the file was replaced.
    mutating func setSources(_ sources: [PublishWindow.Source]) -> Bool {
        self.sources = sources
        for source in sources where sent[source.journalID] == nil { sent[source.journalID] = cursor(source.journalID) }
        return batches.allSatisfy { batch in sources.contains { $0.journalID == batch.journalID } }
    }

    /// Records a publish of `count` scans of a slice.
    mutating func published(_ slice: PublishWindow.Slice, count: Int, bytes: Int, tag: UInt64, nowMs: Int64) {
        let last = slice.first + Int64(count) - 1
        guard let id = slice.repeats else {
            append(slice, last: last, bytes: bytes, tag: tag, sentMs: nowMs, isConfirmed: false)
            if count > 0 { sent[slice.journalID] = last }
            return
        }
        guard let index = batches.firstIndex(where: { $0.id == id }) else { return }
        if batches[index].last != last {
            // The batch is shorter than before, so the later ones must be cut again.
            for batch in batches[(index + 1)...].reversed() { sent[batch.journalID] = batch.first - 1 }
            batches.removeSubrange((index + 1)...)
            batches[index].last = last
            sent[slice.journalID] = last
        }
        (batches[index].tag, batches[index].sentMs, batches[index].bytes) = (tag, nowMs, bytes)
    }

    /// Records that the seqs of a slice up to `last` do not exist.
    mutating func skipped(_ slice: PublishWindow.Slice, upTo last: Int64) {
        append(slice, last: last, bytes: 0, tag: UnsettledBatches.noTag, sentMs: 0, isConfirmed: true)
        sent[slice.journalID] = last
    }

    private mutating func append(
        _ slice: PublishWindow.Slice, last: Int64, bytes: Int, tag: UInt64, sentMs: Int64, isConfirmed: Bool
    ) {
        batches.append(
            Batch(
                id: nextID, journalID: slice.journalID, first: slice.first, last: last, bytes: bytes, tag: tag,
                sentMs: sentMs, isConfirmed: isConfirmed))
        nextID += 1
    }

    mutating func confirm(at index: Int) { batches[index].isConfirmed = true }

    /// Marks a batch to be published again.
    mutating func reject(at index: Int) { (batches[index].tag, batches[index].isReturned) = (nil, false) }

    /// Marks the batch that begins with this seq as returned.
    mutating func markReturned(_ id: JournalID, first: Int64) {
        for index in batches.indices
        where batches[index].journalID == id && batches[index].first == first && batches[index].isInFlight {
            batches[index].isReturned = true
        }
    }

    /// Moves the cursors over the confirmed prefix.
    ///
    /// A failed heartbeat is dropped, because a new one carries newer values.
    ///
    /// - Returns: `true` if a heartbeat was dropped.
    mutating func settle() -> Bool {
        let before = batches.count
        batches.removeAll { $0.count == 0 && $0.tag == nil }
        let hasDroppedHeartbeat = batches.count < before
        while let batch = batches.first, batch.isConfirmed {
            batches.removeFirst()
            guard batch.count > 0 else { continue }
            if batch.tag == UnsettledBatches.noTag { missing += Int64(batch.count) }
            cursors[batch.journalID] = batch.last
            advances[batch.journalID] = batch.last
        }
        return hasDroppedHeartbeat
    }

    /// Drops all batches, so publishing continues after the confirmed prefix.
    mutating func rewind() {
        for batch in batches { sent[batch.journalID] = cursor(batch.journalID) }
        batches = []
    }
}
