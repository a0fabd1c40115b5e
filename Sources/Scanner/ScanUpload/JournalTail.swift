import FileSystem
import ScanJournal
import ScanModel

/// What the publisher knows of the journals, read again only when the file has changed. Confined to one thread.
struct JournalTail {
    private let reader: JournalReader
    private let scanner: ScannerID
    private let paths: [String]
    /// Of each journal the last seq that is of interest; nil: all of them, and what comes.
    private let ends: [JournalID: Int64]?
    private var seen: [Files.Status?] = []
    /// A write within the clock tick of the last look may leave the file's time as it was: look once more.
    private var isDoubtful = true
    /// This scanner's, in order of creation.
    private(set) var sources: [PublishWindow.Source] = []
    /// Journals made for other scanners: shown, never shipped.
    private(set) var foreign: [JournalRecord] = []
    /// Whether the file could be read, and is not being made just now.
    private(set) var isThere = false

    init(folder: String, scanner: ScannerID, ends: [JournalID: Int64]? = nil) {
        reader = JournalReader(folder: folder)
        (self.scanner, self.ends) = (scanner, ends)
        paths = ["/journal.sqlite", "/journal.sqlite-wal"].map { folder + $0 }
    }

    /// True when there may be something new. Throws `DataFileError` for a damaged file.
    mutating func look() throws -> Bool {
        let now = paths.map(Files.status)
        guard now != seen || isDoubtful else { return false }
        isDoubtful = now != seen
        seen = now
        let records = try reader.journals()
        isThere = !records.isEmpty
        let last = records.last?.id
        foreign = records.filter { $0.scanner != scanner }
        let own = records.filter { $0.scanner == scanner }.compactMap { record -> PublishWindow.Source? in
            guard let end = ends == nil ? record.lastSeq : ends?[record.journalID] else { return nil }
            return PublishWindow.Source(
                journal: record.id, log: record.journalID, lastSeq: min(record.lastSeq, end), isFinished: record.id != last)
        }
        guard own != sources else { return false }
        sources = own
        return true
    }

    /// Whether seqs may be missing in the file for ever.
    func mayHaveGaps() throws -> Bool { try reader.mayHaveGaps() }

    /// The scans of a slice: those of them that are one batch.
    func read(_ slice: PublishWindow.Slice) throws -> [Scan] {
        try reader.read(journal: slice.journal, after: slice.first - 1, limit: slice.limit)
    }
}
