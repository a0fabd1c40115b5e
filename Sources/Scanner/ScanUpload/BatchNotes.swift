import ScanBatchCodec
import ScanJournal
import ScanModel

/// The reasons of operators that a batch carries.
struct BatchNotes {
    /// Number of leading scans that one batch can hold with their notes.
    let count: Int
    /// By the index of their scan.
    let notes: [Int: String]

    /// Reads the reasons of scans that fit into one batch.
    ///
    /// - Parameters:
    ///   - number: the number of their journal in its file.
    ///   - scans: consecutive scans of that journal.
    ///   - reader: the reader that has returned them.
    /// - Throws: `DataFileError`.
    init(journal number: Int64, _ scans: ArraySlice<Scan>, _ reader: JournalReader) throws {
        guard let first = scans.first?.seq, let last = scans.last?.seq else {
            (count, notes) = (0, [:])
            return
        }
        let reasons = try reader.reasons(
            journal: number, after: first - 1, upTo: last, limit: ScanBatch.notesLimit + 1)
        // A batch ends before the first note that it has no room for.
        let excess = reasons.count > ScanBatch.notesLimit ? reasons.keys.max() : nil
        let end = excess ?? last + 1
        count = Int(end - first)
        notes = Dictionary(
            uniqueKeysWithValues: reasons.compactMap { seq, text in
                guard seq < end, let note = ScanBatch.note(text) else { return nil }
                return (Int(seq - first), note)
            })
    }
}
