import ScanBatchCodec
import ScanModel

/// The slices to publish: of scans that were not published yet, of a batch to repeat, and of a heartbeat.
extension UnsettledBatches {
    typealias Slice = PublishWindow.Slice

    /// Number of known scans that are not confirmed.
    var backlog: Int64 { sources.reduce(0) { $0 + max(0, $1.lastSeq - cursor($1.journalID)) } }

    /// Index of the oldest journal with scans that were not published yet; `nil` without such scans.
    var firstUnsent: Int? { sources.firstIndex { unsent($0) > 0 } }

    /// Number of scans of a journal that were not published yet.
    func unsent(_ source: PublishWindow.Source) -> Int64 { max(0, source.lastSeq - lastSent(source.journalID)) }

    /// Returns the scans of a journal after the last published one.
    ///
    /// - Parameters:
    ///   - index: the journal, as an index of `sources`.
    ///   - limit: maximum number of scans.
    func slice(of index: Int, limit: Int) -> Slice {
        let source = sources[index]
        let first = lastSent(source.journalID) + 1
        return Slice(
            number: source.number, journalID: source.journalID, first: first, limit: limit,
            previous: first == 1 ? previous(index) : nil,
            backlogFromFirst: sources[index...].reduce(0) { $0 + unsent($1) }, repeats: nil)
    }

    /// Returns the scans of a batch that must be published again; `nil` if its journal is gone.
    func slice(repeating batch: Batch) -> Slice? {
        guard let index = sources.firstIndex(where: { $0.journalID == batch.journalID }) else { return nil }
        return Slice(
            number: sources[index].number, journalID: batch.journalID, first: batch.first, limit: batch.count,
            previous: batch.first == 1 ? previous(index) : nil,
            backlogFromFirst: sources.reduce(0) { $0 + unsent($1) } + scans(from: batch), repeats: batch.id)
    }

    /// Returns the slice of a heartbeat, which has no scans; `nil` without a journal.
    func heartbeatSlice() -> Slice? {
        guard let index = sources.indices.last else { return nil }
        var slice = slice(of: index, limit: 0)
        // A lost tail of the previous journal is announced by the first scans, which follow those of that journal. A
        // heartbeat may overtake them.
        slice.previous = nil
        slice.backlogFromFirst = sources.reduce(0) { $0 + unsent($1) }
        return slice
    }

    private func previous(_ index: Int) -> ScanBatch.After? {
        index > 0 ? ScanBatch.After(journalID: sources[index - 1].journalID, lastSeq: sources[index - 1].lastSeq) : nil
    }
}
