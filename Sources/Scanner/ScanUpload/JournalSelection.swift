import CLI
import ScanJournal
import ScanModel

/// Scans of one scanner that are to be brought to the center once: of each of its journals in a folder a last part, fixed when
/// it was looked at.
struct JournalSelection {
    struct Part {
        let journal: Int64
        let log: JournalID
        /// The scanner's journal before this one, and its last seq.
        let previous: (log: JournalID, lastSeq: Int64)?
        /// Scans after this seq ...
        var after: Int64
        /// ... up to this one.
        let last: Int64
    }

    /// Which scans of what is there.
    enum Choice: Sendable {
        /// Those that the broker has not confirmed, by the cursor of each journal.
        case after([JournalID: Int64])
        /// All from the first, in the order of the journals, that was made at this time or later (milliseconds since 1970).
        case since(Int64)
        case all
    }

    /// Scans looked at in one read: the gate can fold its log back between two.
    private static let lookScans = 4_000

    let folder: String
    let scanner: ScannerID
    /// In order of creation; of some journals nothing is to be brought.
    private(set) var parts: [Part] = []

    var scans: Int64 { parts.reduce(0) { $0 + $1.last - $1.after } }

    /// Throws `DataFileError`, and `ProgramError` (failed) where the journals cannot be read just now.
    init(_ choice: Choice, of scanner: ScannerID, in folder: String) throws {
        (self.folder, self.scanner) = (folder, scanner)
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
                    journal: record.id, log: record.journalID, previous: parts.last.map { ($0.log, $0.last) }, after: after,
                    last: record.lastSeq))
        }
        if case .since(let sinceMs) = choice { try begin(sinceMs, reader) }
    }

    /// Finds the first scan. What comes after it comes whole, whatever its own time: the order of the journals is that in
    /// which they were made, and a device clock may have stood anywhere. For the same reason a scan under a clock that was
    /// not trusted counts as one that may be meant.
    private mutating func begin(_ sinceMs: Int64, _ reader: JournalReader) throws {
        for index in parts.indices {
            var after: Int64 = 0
            while after < parts[index].last {
                let scans = try reader.read(
                    journal: parts[index].journal, after: after, limit: JournalSelection.lookScans)
                guard let last = scans.last?.seq else {
                    throw ProgramError.failed("journal \(parts[index].log) cannot be read just now: try again")
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
