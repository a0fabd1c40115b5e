import CLI
import DataFolder
import FileSystem
import LinuxSystem
import Runtime
import ScanJournal
import ScanModel

/// Where the scans of a data folder are read: in the folder itself, beside its gate, or in a copy of it.
struct JournalSource {
    /// A gate that starts just now is waited for so long.
    private static let patienceMs: Int64 = 5_000

    let folder: String
    /// Folders with journals, the oldest scans first.
    let folders: [String]
    /// The cursors of the publisher.
    let shipped: [JournalID: Int64]
    /// What came out of damaged files of a copy.
    let recovery: Recovery.Report?
    /// Damaged files by name that were set aside in a folder in use and are not read: those that nobody has read yet ...
    let unread: [String]
    /// ... and those that `tapline-gate recover` has read. They may lie there for ever, so they are no failure.
    let apart: [String]
    /// Kept as long as it is read.
    private let copy: DataFolderCopy?

    /// The folder of a dead device, as a copy: read-only media and damaged files are no obstacle.
    ///
    /// Throws what `DataFolderCopy` throws; `ProgramError` (failed) where there is no such folder.
    init(dead folder: String, scanner: ScannerID?) throws {
        try JournalSource.demand(folder)
        let copy = try DataFolderCopy(of: folder, scanner: scanner)
        (self.folder, folders, shipped, recovery) = (folder, copy.folders, copy.uploadCursors, copy.recovery)
        (unread, apart, self.copy) = ([], [], copy)
    }

    /// A folder in place where it can be read so, beside a running gate; else as a dead one.
    init(live folder: String, scanner: ScannerID?) throws {
        try JournalSource.demand(folder)
        let untilMs = SystemClock.monotonicMs() + JournalSource.patienceMs
        while true {
            var trouble = "it is being made"
            do {
                if try !JournalReader(folder: folder).journals().isEmpty { break }
            } catch let error as DataFileError where error.isDamaged { trouble = "\(error)" }
            do {
                self = try JournalSource(dead: folder, scanner: scanner)
                return
            } catch let error as ProgramError where error.code == .configuration {
                // A gate runs there: soon it can be read, or set aside.
                guard SystemClock.monotonicMs() < untilMs else {
                    throw ProgramError.failed("the journal in \(folder) cannot be read just now: \(trouble)")
                }
                _ = Poll.wait([], timeoutMs: 100)
            }
        }
        (self.folder, folders, recovery, copy) = (folder, [folder], nil, nil)
        shipped = try JournalSource.shipped(folder)
        let recovery = Recovery(folder: folder)
        let (setAside, taken) = (recovery.renamedFiles.map(JournalSource.name), recovery.recoveredFileNames)
        unread = setAside.filter { !taken.contains($0) }
        apart = setAside.filter { taken.contains($0) }
    }

    /// A cursor that cannot be read is none: what the center has already is found out there.
    private static func shipped(_ folder: String) throws -> [JournalID: Int64] {
        do { return try UploadCursors.read(folder: folder) } catch let error as DataFileError where error.isDamaged {
            Log("journal").warning("what was shipped cannot be read, everything counts as not shipped", [.error: error])
            return [:]
        }
    }

    private static func demand(_ folder: String) throws {
        guard Files.exists(folder) else { throw ProgramError.failed("--data \(folder): there is no such folder") }
    }

    /// Damaged files by name that were read.
    var recoveredNames: [String] { (recovery?.files ?? []).map(JournalSource.name) }

    private static func name(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

    struct Plan {
        let scanner: ScannerID
        /// One a folder.
        let consignments: [JournalSelection]
        /// Scans that lie there for other scanners, by scanner.
        let foreign: [String: Int64]
    }

    /// What is to be brought.
    ///
    /// Throws `ProgramError`: configuration where several scanners have journals and none is named, failed where there is no
    /// journal; `DataFileError`.
    /// - Parameter asked: whose scans; nil: those of the only scanner that has any.
    func plan(_ choice: JournalSelection.Choice, scanner asked: ScannerID?) throws -> Plan {
        var counts: [ScannerID: Int64] = [:]
        for folder in folders {
            for record in try JournalReader(folder: folder).journals() {
                counts[record.scanner, default: 0] += record.lastSeq
            }
        }
        guard let first = counts.keys.min() else {
            throw ProgramError.failed("--data \(folder): no gate has written a journal there")
        }
        guard asked != nil || counts.count == 1 else {
            let list = counts.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value) scans)" }
            throw ProgramError.configuration(
                "--scanner is needed: the journals in \(folder) are of \(list.joined(separator: ", "))")
        }
        let scanner = asked ?? first
        var consignments: [JournalSelection] = []
        for folder in folders {
            // What follows a scan of the time asked for is younger.
            let isBegun = if case .since = choice { consignments.contains { $0.scans > 0 } } else { false }
            consignments.append(try JournalSelection(isBegun ? .all : choice, of: scanner, in: folder))
        }
        counts[scanner] = nil
        return Plan(
            scanner: scanner, consignments: consignments,
            foreign: Dictionary(uniqueKeysWithValues: counts.map { ($0.key.text, $0.value) }))
    }
}
