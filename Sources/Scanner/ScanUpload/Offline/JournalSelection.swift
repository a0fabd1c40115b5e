import ScanBatchCodec
import ScanJournal
import ScanModel

/// The scans of one scanner in one folder that an export or a delivery includes: of each journal the last part.
///
/// Scans added later are not included.
struct JournalSelection {
    struct Part {
        /// The number of the journal in its file.
        let number: Int64
        let journalID: JournalID
        /// The scanner's previous journal.
        let previous: ScanBatch.After?
        /// The seq before the first included scan.
        var after: Int64
        /// The seq of the last included scan.
        let last: Int64
    }

    /// The rule of the selection.
    enum Choice: Sendable {
        /// The scans that the broker has not confirmed, by the upload cursor of each journal.
        case after([JournalID: Int64])
        /// All scans from the first one made at this time or later, in milliseconds since 1970.
        case since(Int64)
        case all
    }

    /// Number of scans in one read. The gate can checkpoint its WAL between two reads.
    private static let readScans = 4_000

    let folder: String
    let scanner: ScannerID
    /// The journals in order of creation. A part may be empty.
    private(set) var parts: [Part] = []

    /// Number of included scans.
    var scans: Int64 { parts.reduce(0) { $0 + $1.last - $1.after } }

    /// - Throws: `DataFileError`; `UploadError.journalUnreadable` while a gate replaces its journal.
    init(_ choice: Choice, of scanner: ScannerID, in folder: String) throws {
        self.folder = folder
        self.scanner = scanner
        let reader = JournalReader(folder: folder)
        for record in try reader.journals() where record.scanner == scanner {
            let after: Int64 =
                switch choice {
                case .after(let cursors): min(cursors[record.journalID, default: 0], record.lastSeq)
                case .since: record.lastSeq
                case .all: 0
                }
            parts.append(
                Part(
                    number: record.id, journalID: record.journalID,
                    previous: parts.last.map { ScanBatch.After(journalID: $0.journalID, lastSeq: $0.last) },
                    after: after,
                    last: record.lastSeq))
        }
        if case .since(let sinceMs) = choice { try begin(sinceMs, reader) }
    }

    /// Finds the first scan of the requested time, and includes all scans after it.
    ///
    /// The journals are in order of creation, but the device clock may have been wrong at any time. So the times of
    /// later scans are not compared. A scan under an untrusted clock counts as a scan of that time.
    private mutating func begin(_ sinceMs: Int64, _ reader: JournalReader) throws {
        for index in parts.indices {
            var after: Int64 = 0
            while after < parts[index].last {
                let scans = try reader.read(
                    journal: parts[index].number, after: after, limit: JournalSelection.readScans)
                guard let last = scans.last?.seq else {
                    throw UploadError.journalUnreadable(
                        detail: "journal \(parts[index].journalID) cannot be read at present")
                }
                if let first = scans.first(where: { $0.atMs >= sinceMs || $0.flags.contains(.clockNotTrusted) }) {
                    parts[index].after = first.seq - 1
                    for later in parts.indices where later > index { parts[later].after = 0 }
                    return
                }
                after = last
            }
        }
    }
}
