import DataFolder
import FileSystem
import LinuxSystem
import Runtime
import SQLite
package import ScanModel

/// Extracts every readable scan from corrupt journals into a new journal that a publisher can upload.
///
/// The scans keep their journal and seq, so the center recognises those it has already as duplicates.
package struct Recovery: Sendable {
    /// The result of a recovery.
    package struct Report: Hashable, Codable, Sendable {
        /// The files that were read, without their WALs.
        package var files: [String] = []
        /// Number of journals with recovered scans.
        package var journals = 0
        /// Number of recovered scans.
        package var scans = 0
        /// Number of seqs below the last one of their journal that were not found.
        package var missing = 0
        /// Number of scans whose journal is not known. They are in `orphans.csv`, to be examined manually.
        package var orphans = 0
        /// Number of scans found in two versions. The first one was kept, or the one to which a page points. The
        /// other version is usually the rest of a row in a page that was reused.
        package var conflicts = 0

        /// Creates the result of a recovery that has found nothing.
        package init() {}
    }

    /// A larger seq counts as damage: a lane journals far fewer scans a day.
    static let seqLimit: Int64 = 1 << 24
    private static let windowBytes = 1 << 20
    private static let rowsPerTransaction = 20_000

    private struct Owner {
        var journalID: JournalID
        var scanner: ScannerID
        var createdMs: Int64
    }

    private let folder: String
    private let scanner: ScannerID?

    /// Prepares a recovery. Nothing is read yet.
    ///
    /// - Parameters:
    ///   - folder: The scanner's data folder.
    ///   - scanner: The scanner of journals whose own row is lost. If it is `nil`, they get the scanner of all other
    ///     journals when that is unique; else their scans are orphans.
    package init(folder: String, scanner: ScannerID? = nil) {
        self.folder = folder
        self.scanner = scanner
    }

    /// Returns the paths of the corrupt journals in the folder, the oldest first.
    ///
    /// These are the renamed files, and the current file if it is corrupt and no gate is using it.
    package func sources() -> [String] {
        var paths = renamedFiles
        let present = DataFolderPaths.journal(folder)
        if Files.exists(present) || CorruptFile.isWALAlone(present), !Recovery.isSound(present) {
            paths.append(present)
        }
        // A WAL that was renamed before its file is read together with that file.
        if let moved = CorruptFile.unfinished(present) { paths.removeAll { $0 == moved } }
        return paths
    }

    /// The paths of the renamed corrupt files, the oldest first. The current file, which a gate may be using, is not
    /// examined.
    package var renamedFiles: [String] { DataFolderPaths.damagedJournals(folder).map { folder + "/" + $0 } }

    /// The names of the files that were recovered into the default output folder. Empty if it has no readable
    /// journal.
    package var recoveredFileNames: Set<String> {
        let path = DataFolderPaths.journal(DataFolderPaths.recovered(folder))
        var names: Set<String> = []
        guard !CorruptFile.isEmpty(path), let database = try? Database(path, .readOnly),
            let sources = try? database.prepare("SELECT source FROM \(JournalFile.recoveredMark)")
        else { return names }
        try? sources.rows { row in names.insert(Files.name(of: row.text(0))) }
        return names
    }

    private static func isSound(_ path: String) -> Bool {
        if CorruptFile.isEmpty(path) || CorruptFile.unfinished(path) != nil {
            return !CorruptFile.isWALAlone(path) && CorruptFile.unfinished(path) == nil
        }
        do {
            return try Database(path, .readOnly).text("PRAGMA quick_check(1)") == "ok"
        } catch { return error.meansNotYet && !error.isCannotOpen }
    }

    /// Recovers the scans of all sources into a new folder: `journal.sqlite`, and `orphans.csv` if there are orphans.
    ///
    /// The sources are not changed.
    ///
    /// - Parameter out: The output folder. It is created if it is missing.
    /// - Returns: What was recovered.
    /// - Throws: `JournalError.outputExists` when the output folder already has a journal, `DataFileError` or
    ///   `SystemError` when a file cannot be read or written.
    package func run(into out: String) throws -> Report {
        let path = DataFolderPaths.journal(out)
        guard !Files.exists(path) else { throw JournalError.outputExists(path: path) }
        try Files.makeFolder(out)
        var report = Report()
        var orphans = Orphans()
        let database = try JournalFile.durable.open(path).database
        do {
            try database.execute("CREATE TABLE \(JournalFile.recoveredMark)(source TEXT NOT NULL)")
            for source in sources() {
                report.files.append(source)
                try recover(source, into: database, &report, &orphans)
                try database.prepare("INSERT INTO \(JournalFile.recoveredMark) VALUES (?)").run(.text(source))
            }
            report.scans = Int(try database.int("SELECT count(*) FROM scans") ?? 0)
            report.journals = Int(try database.int("SELECT count(*) FROM journals") ?? 0)
            let last =
                try database.int(
                    "SELECT sum((SELECT max(s.id) & \(JournalFile.seqLimit) FROM scans s WHERE s.id >> 32 = j.id)) "
                        + "FROM journals j") ?? 0
            report.missing = Int(last) - report.scans
            _ = try database.int("PRAGMA wal_checkpoint(TRUNCATE)")
        } catch let error as SQLiteError { throw DataFileError(path, error) }
        report.orphans = orphans.lines.count
        if report.orphans > 0 {
            try Files.writeAtomically(
                Array(("journal,seq,at,tag,verdict,flags,gate,snapshot\n" + orphans.lines.joined()).utf8),
                to: out + "/orphans.csv")
        }
        return report
    }

    /// Lines of `orphans.csv`. The WAL holds many versions of a page, so equal lines are written once.
    private struct Orphans {
        var lines: [String] = []
        private var known: Set<String> = []

        mutating func add(_ line: String) { if known.insert(line).inserted { lines.append(line) } }
    }

    private func recover(
        _ source: String, into database: Database, _ report: inout Report, _ orphans: inout Orphans
    ) throws {
        let owners = try owners(source)
        var places: [Int64: Int64] = [:]
        let next = try database.int("SELECT ifnull(max(id), 0) FROM journals") ?? 0
        for (id, owner) in owners.sorted(by: { $0.key < $1.key }) {
            // Two files may contain the same journal.
            let known = try database.int("SELECT id FROM journals WHERE log = ?", .blob(owner.journalID.bytes))
            places[id] = known ?? next + Int64(places.count) + 1
            guard known == nil else { continue }
            try database.prepare("INSERT INTO journals VALUES (?, ?, ?, ?)").run(
                .int(places[id] ?? 0), .blob(owner.journalID.bytes), .text(owner.scanner.text), .int(owner.createdMs))
        }
        let writer = try Writer(database)
        try database.execute("BEGIN IMMEDIATE")
        var rows = 0
        try records(source) { record, isReferenced in
            switch record {
            case .scan(let id, let scan):
                if let place = places[id >> 32], scan.seq <= Recovery.seqLimit {
                    let isNewOrSame = try writer.add(JournalFile.scanID(place, scan.seq), scan)
                    if !isNewOrSame, !isReferenced { report.conflicts += 1 }
                } else {
                    orphans.add(Recovery.csv(id >> 32, scan))
                }
            case .reason(let id, let text):
                if let place = places[id >> 32] {
                    try writer.add(JournalFile.scanID(place, id & JournalFile.seqLimit), reason: text)
                }
            case .clock(let id, let ms, let boot):
                if let place = places[id >> 32] {
                    try writer.add(JournalFile.scanID(place, id & JournalFile.seqLimit), ms: ms, boot)
                }
            case .journal, .journalID, .counter, .remembered: break
            }
            rows += 1
            if rows % Recovery.rowsPerTransaction == 0 { try database.execute("COMMIT; BEGIN IMMEDIATE") }
        }
        try database.execute(
            """
            DELETE FROM reasons WHERE id NOT IN (SELECT id FROM scans);
            DELETE FROM clocks WHERE id NOT IN
                (SELECT id FROM scans WHERE flags & \(Flags.clockNotTrusted.rawValue) <> 0);
            COMMIT
            """)
    }

    /// Returns the journals of a file by their number in it.
    private func owners(_ source: String) throws -> [Int64: Owner] {
        var owners: [Int64: Owner] = [:]
        var indexed: [Int64: JournalID] = [:]
        try records(source) { record, _ in
            switch record {
            case .journal(let id, let journalID, let scanner, let createdMs):
                if owners[id] == nil {
                    owners[id] = Owner(journalID: journalID, scanner: scanner, createdMs: createdMs)
                }
            case .journalID(let id, let journalID): indexed[id] = journalID
            case .scan, .reason, .clock, .counter, .remembered: break
            }
        }
        let names = Set(owners.values.map(\.scanner))
        if let name = scanner ?? (names.count == 1 ? names.first : nil) {
            for (id, journalID) in indexed where owners[id] == nil {
                owners[id] = Owner(journalID: journalID, scanner: name, createdMs: 0)
            }
        }
        return owners
    }

    /// Calls `body` for all rows of a file and its WAL.
    ///
    /// First come the rows to which pages point (`true`), which are valid where the page is. All bytes with
    /// the shape of a row follow (`false`), the first ones included.
    private func records(_ source: String, _ body: (RecordCarver.Record, Bool) throws -> Void) throws {
        for run in PageRun.all(of: source, wal: CorruptFile.walPath(of: source)) {
            for page in try run.pages() { try RecordCarver.referencedRecords(page.bytes) { try body($0, true) } }
        }
        try carvedRecords(source) { try body($0, false) }
    }

    /// Reads in windows that overlap by the longest row.
    private func carvedRecords(_ source: String, _ body: (RecordCarver.Record) throws -> Void) throws {
        for path in [source, CorruptFile.walPath(of: source)] where Files.exists(path) {
            var window: [UInt8] = []
            func flush(_ isLast: Bool) throws {
                let end = isLast ? window.count : max(0, window.count - RecordCarver.longestRow)
                try RecordCarver.carve(window[...], in: 0..<end, body)
                window.removeFirst(end)
            }
            try Files.salvageChunks(path) { chunk in
                window += chunk
                if window.count >= Recovery.windowBytes { try flush(false) }
            }
            try flush(true)
        }
    }

    private static func csv(_ journal: Int64, _ scan: Scan) -> String {
        "\(journal),\(scan.seq),\(UTCTime.text(milliseconds: scan.atMs)),\(scan.tag.rawValue),"
            + "\(scan.verdict.rawValue),\(scan.flags.rawValue),\(scan.gate.map { "\($0)" } ?? ""),\(scan.snapshot)\n"
    }
}

extension Recovery {
    private struct Writer {
        let insert: Statement
        let select: Statement
        let insertReason: Statement
        let insertClock: Statement
        let database: Database

        init(_ database: Database) throws {
            self.database = database
            insert = try database.prepare("INSERT OR IGNORE INTO scans VALUES (?, ?, ?, ?, ?, ?, ?)")
            select = try database.prepare("SELECT id, at, tag, verdict, flags, gate, snapshot FROM scans WHERE id = ?")
            insertReason = try database.prepare("INSERT OR IGNORE INTO reasons VALUES (?, ?)")
            insertClock = try database.prepare("INSERT OR IGNORE INTO clocks VALUES (?, ?, ?)")
        }

        /// Returns `false` if another scan has the same key. The WAL has copies of pages, so the same row is found
        /// often.
        func add(_ id: Int64, _ scan: Scan) throws -> Bool {
            try insert.run(
                .int(id), .int(scan.atMs), .int(scan.tag.rawValue), .int(Int64(scan.verdict.rawValue)),
                .int(Int64(scan.flags.rawValue)), Value(scan.gate), .int(scan.snapshot))
            guard database.changes == 0 else { return true }
            var isSame = true
            try select.rows(.int(id)) { isSame = Scan($0) == scan }
            return isSame
        }

        func add(_ id: Int64, reason: String) throws { try insertReason.run(.int(id), .text(reason)) }

        func add(_ id: Int64, ms: Int64, _ boot: BootID) throws {
            try insertClock.run(.int(id), .int(ms), .blob(boot.bytes))
        }
    }
}
