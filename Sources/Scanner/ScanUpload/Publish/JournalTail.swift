import DataFolder
import FileSystem
import ScanJournal
import ScanModel

/// The journals of a data folder, read again when the file has changed. Confined to one thread.
struct JournalTail {
    private let reader: JournalReader
    private let scanner: ScannerID
    private let paths: [String]
    /// The last seq to read of each journal, or `nil` for all journals and all future scans.
    private let ends: [JournalID: Int64]?
    private var statuses: [Files.Status?] = []
    /// A write within the clock tick of the last poll may leave the modification time unchanged. So one more read
    /// follows each change.
    private var mayHaveChanged = true
    /// The journals of this scanner, in order of creation.
    private(set) var sources: [PublishWindow.Source] = []
    /// The journals of other scanners. They are reported and never uploaded.
    private(set) var foreign: [JournalRecord] = []
    /// Whether the file could be read and contains a journal.
    private(set) var isReadable = false

    init(folder: String, scanner: ScannerID, ends: [JournalID: Int64]? = nil) {
        reader = JournalReader(folder: folder)
        self.scanner = scanner
        self.ends = ends
        paths = ["", "-wal"].map { DataFolderPaths.journal(folder) + $0 }
    }

    /// Reads the journals if the file has changed.
    ///
    /// - Returns: `true` if `sources` has changed.
    /// - Throws: `DataFileError` for a corrupt file.
    mutating func poll() throws -> Bool {
        let now = paths.map(Files.status)
        guard now != statuses || mayHaveChanged else { return false }
        mayHaveChanged = now != statuses
        statuses = now
        let records = try reader.journals()
        isReadable = !records.isEmpty
        let last = records.last?.id
        foreign = records.filter { $0.scanner != scanner }
        let own = records.filter { $0.scanner == scanner }.compactMap { record -> PublishWindow.Source? in
            guard let end = ends == nil ? record.lastSeq : ends?[record.journalID] else { return nil }
            return PublishWindow.Source(
                number: record.id, journalID: record.journalID, lastSeq: min(record.lastSeq, end),
                isFinished: record.id != last)
        }
        guard own != sources else { return false }
        sources = own
        return true
    }

    /// Returns whether the file was recovered, so that seqs may be missing.
    func mayHaveGaps() throws -> Bool { try reader.mayHaveGaps() }

    /// Reads the scans of a slice, at most `limit`.
    func read(_ slice: PublishWindow.Slice) throws -> [Scan] {
        try reader.read(journal: slice.number, after: slice.first - 1, limit: slice.limit)
    }

    /// Reads the reasons of operators for scans of a slice.
    func notes(_ slice: PublishWindow.Slice, _ scans: ArraySlice<Scan>) throws -> BatchNotes {
        try BatchNotes(journal: slice.number, scans, reader)
    }

    /// Returns the time from each tap to now, for a batch. See `JournalReader.elapsedMs`.
    func elapsedMs(_ slice: PublishWindow.Slice, _ scans: ArraySlice<Scan>) throws -> [Int32]? {
        try reader.elapsedMs(journal: slice.number, scans)
    }
}
