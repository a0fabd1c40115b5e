import DataFolder
import FileSystem
import LinuxSystem
import Runtime
import ScanJournal
import ScanModel

/// The folders from which the scans of a data folder are read: the folder itself, beside its gate, or a copy of it.
struct JournalSource {
    /// Maximum time to wait for a gate that is opening its journal, in milliseconds.
    private static let openingLimitMs: Int64 = 5_000

    /// The scans to include.
    struct Plan {
        let scanner: ScannerID
        /// One for each folder.
        let selections: [JournalSelection]
        /// Number of scans of other scanners, by scanner.
        let foreign: [String: Int64]
    }

    let folder: String
    /// Folders with journals, the oldest scans first.
    let folders: [String]
    /// The upload cursors of the publisher.
    let cursors: [JournalID: Int64]
    /// The result of the recovery of the corrupt files in a copy, or `nil` if there were none.
    let recovery: Recovery.Report?
    /// Names of the corrupt files beside a journal in use that no recovery has read.
    let unread: [String]
    /// Names of the corrupt files beside a journal in use that `tapline-gate recover` has read. They may stay in the
    /// folder, so they do not count as a failure.
    let recoveredApart: [String]
    /// Deletes the copy when it is no longer used.
    private let copy: DataFolderCopy?

    /// Copies the folder of a dead device, which may be on read-only media and contain corrupt files.
    ///
    /// - Throws: `UploadError.folderMissing`, and the errors of `DataFolderCopy`.
    init(dead folder: String, scanner: ScannerID?) throws {
        try JournalSource.requireFolder(folder)
        let copy = try DataFolderCopy(of: folder, scanner: scanner)
        self.folder = folder
        folders = copy.folders
        cursors = copy.uploadCursors
        recovery = copy.recovery
        unread = []
        recoveredApart = []
        self.copy = copy
    }

    /// Reads the folder in place, beside a running gate, or else as that of a dead device.
    ///
    /// - Throws: `UploadError.folderMissing`, `UploadError.journalUnreadable`, and the errors of `DataFolderCopy`.
    init(live folder: String, scanner: ScannerID?) throws {
        try JournalSource.requireFolder(folder)
        let untilMs = SystemClock.monotonicMs() + JournalSource.openingLimitMs
        while true {
            var problem = "the gate is creating it"
            do {
                if try !JournalReader(folder: folder).journals().isEmpty { break }
            } catch let error as DataFileError where error.isDamaged { problem = "\(error)" }
            do {
                self = try JournalSource(dead: folder, scanner: scanner)
                return
            } catch JournalError.gateIsRunning {
                // The gate will soon have opened or replaced the journal.
                guard SystemClock.monotonicMs() < untilMs else {
                    throw UploadError.journalUnreadable(
                        detail: "the journal in \(folder) cannot be read at present: \(problem)")
                }
                _ = Poll.wait([], timeoutMs: 100)
            }
        }
        self.folder = folder
        folders = [folder]
        cursors = try JournalSource.cursors(folder)
        recovery = nil
        copy = nil
        let recovery = Recovery(folder: folder)
        let (names, recovered) = (recovery.renamedFiles.map(Files.name(of:)), recovery.recoveredFileNames)
        unread = names.filter { !recovered.contains($0) }
        recoveredApart = names.filter { recovered.contains($0) }
    }

    /// A corrupt cursor file counts as empty: the center recognises the duplicates.
    private static func cursors(_ folder: String) throws -> [JournalID: Int64] {
        do { return try UploadCursors.read(folder: folder) } catch let error as DataFileError where error.isDamaged {
            Log("journal").warning("upload cursors not readable, all scans count as not confirmed", [.error: error])
            return [:]
        }
    }

    private static func requireFolder(_ folder: String) throws {
        guard Files.exists(folder) else { throw UploadError.folderMissing(path: folder) }
    }

    /// Names of the corrupt files that were read.
    var recoveredNames: [String] { (recovery?.files ?? []).map(Files.name(of:)) }

    /// Selects the scans.
    ///
    /// - Parameters:
    ///   - choice: The rule of the selection.
    ///   - requested: The scanner, or `nil` for the only one with journals in the folder.
    /// - Throws: `UploadError.journalMissing`, `UploadError.scannerNotSelected`, `UploadError.journalUnreadable`,
    ///   `DataFileError`.
    func plan(_ choice: JournalSelection.Choice, scanner requested: ScannerID?) throws -> Plan {
        var counts: [ScannerID: Int64] = [:]
        for folder in folders {
            for record in try JournalReader(folder: folder).journals() {
                counts[record.scanner, default: 0] += record.lastSeq
            }
        }
        guard let first = counts.keys.min() else { throw UploadError.journalMissing(folder: folder) }
        guard requested != nil || counts.count == 1 else {
            throw UploadError.scannerNotSelected(folder: folder, scans: counts)
        }
        let scanner = requested ?? first
        var selections: [JournalSelection] = []
        for folder in folders {
            // All scans after the first one of the requested time are included.
            let hasBegun = if case .since = choice { selections.contains { $0.scans > 0 } } else { false }
            selections.append(try JournalSelection(hasBegun ? .all : choice, of: scanner, in: folder))
        }
        counts[scanner] = nil
        return Plan(
            scanner: scanner, selections: selections,
            foreign: Dictionary(uniqueKeysWithValues: counts.map { ($0.key.text, $0.value) }))
    }
}
