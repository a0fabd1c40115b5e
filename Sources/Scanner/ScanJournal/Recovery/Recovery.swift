import CLI
import DataFolder
import FileSystem
import Runtime
import SQLite
package import ScanModel

/// Takes every readable scan out of damaged journals, and makes a sound journal of them that a publisher ships: the scans
/// keep their journal and seq, so what the center has already is found out as a duplicate.
package struct Recovery: Sendable {
    /// What came of it.
    package struct Report: Hashable, Codable, Sendable {
        /// The files that were read, -wal files not named.
        package var files: [String] = []
        package var journals = 0
        package var scans = 0
        /// Seqs below the last of their journal that were not found.
        package var missing = 0
        /// Scans whose journal is not known; they are in `orphans.csv`, for people to judge.
        package var orphans = 0
        /// Scans found in two versions, of which the first was kept, or one to which a page points. The other is most
        /// often what is left of a row in a page that was used again.
        package var conflicts = 0

        package init() {}
    }

    /// A seq beyond this is taken for damage: a lane's day has far fewer.
    static let seqLimit: Int64 = 1 << 24
    private static let windowBytes = 1 << 20
    private static let rowsATransaction = 20_000

    private struct Owner {
        var log: JournalID
        var scanner: ScannerID
        var createdMs: Int64
    }

    private let folder: String
    private let scanner: ScannerID?

    /// - Parameters:
    ///   - folder: the scanner's data folder.
    ///   - scanner: whose journals those are that do not say it any more; nil: they are orphans, unless all others are of
    ///     one scanner.
    package init(folder: String, scanner: ScannerID? = nil) { (self.folder, self.scanner) = (folder, scanner) }

    /// The damaged journals of the folder, oldest first: those set aside, and the present one if it is unsound and nobody
    /// runs on it.
    package func sources() -> [String] {
        var paths = setAside
        let present = DataFolderPaths.journal(folder)
        if Files.exists(present) || CorruptFile.isLogAlone(present), !Recovery.isSound(present) {
            paths.append(present)
        }
        // A log that was moved before its file is read with that.
        if let moved = CorruptFile.unfinished(present) { paths.removeAll { $0 == moved } }
        return paths
    }

    /// Those that were set aside, oldest first: known without a look into the present one, which a gate may be using.
    package var setAside: [String] { DataFolderPaths.damagedJournals(folder).map { folder + "/" + $0 } }

    /// Where a data folder's damaged journals are read into unless another place is named.
    package static func usualOut(_ folder: String) -> String { folder + "/recovered" }

    /// The names of the files that a journal in the usual place was made of; empty while there is none that can be read.
    package var taken: Set<String> {
        let path = DataFolderPaths.journal(Recovery.usualOut(folder))
        var names: Set<String> = []
        guard !CorruptFile.isEmpty(path), let database = try? Database(path, .readOnly),
            let sources = try? database.prepare("SELECT source FROM \(JournalFile.recoveredMark)")
        else { return names }
        try? sources.rows { row in names.insert(row.text(0).split(separator: "/").last.map(String.init) ?? "") }
        return names
    }

    private static func isSound(_ path: String) -> Bool {
        if CorruptFile.isEmpty(path) || CorruptFile.unfinished(path) != nil {
            return !CorruptFile.isLogAlone(path) && CorruptFile.unfinished(path) == nil
        }
        do {
            return try Database(path, .readOnly).text("PRAGMA quick_check(1)") == "ok"
        } catch { return error.meansNotYet && !error.isCannotOpen }
    }

    /// Reads the sources and writes `journal.sqlite`, and perhaps `orphans.csv`, into a new folder. Nothing of the old one
    /// is changed. Throws `ProgramError` where the new folder holds a journal already, `DataFileError`, `SystemError`.
    package func run(into out: String) throws -> Report {
        let path = DataFolderPaths.journal(out)
        guard !Files.exists(path) else { throw ProgramError.failed("\(path) is there already") }
        try Files.makeFolder(out)
        var report = Report()
        var orphans = Orphans()
        let database = try JournalFile.durable.open(path).database
        do {
            try database.execute("CREATE TABLE \(JournalFile.recoveredMark)(source TEXT NOT NULL)")
            for source in sources() {
                report.files.append(source)
                try take(source, into: database, &report, &orphans)
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

    /// Lines for people; a page lies in the log in many versions, and each row is told once.
    private struct Orphans {
        var lines: [String] = []
        private var known: Set<String> = []

        mutating func add(_ line: String) { if known.insert(line).inserted { lines.append(line) } }
    }

    private func take(
        _ source: String, into database: Database, _ report: inout Report, _ orphans: inout Orphans
    ) throws {
        let owners = try owners(source)
        var places: [Int64: Int64] = [:]
        let next = try database.int("SELECT ifnull(max(id), 0) FROM journals") ?? 0
        for (id, owner) in owners.sorted(by: { $0.key < $1.key }) {
            // The same journal may lie in two files.
            let known = try database.int("SELECT id FROM journals WHERE log = ?", .blob(owner.log.bytes))
            places[id] = known ?? next + Int64(places.count) + 1
            guard known == nil else { continue }
            try database.prepare("INSERT INTO journals VALUES (?, ?, ?, ?)").run(
                .int(places[id] ?? 0), .blob(owner.log.bytes), .text(owner.scanner.text), .int(owner.createdMs))
        }
        let writer = try Writer(database)
        try database.execute("BEGIN IMMEDIATE")
        var rows = 0
        try records(source) { record, isLinked in
            switch record {
            case .scan(let id, let scan):
                if let place = places[id >> 32], scan.seq <= Recovery.seqLimit {
                    let isNewOrSame = try writer.add(JournalFile.scanID(place, scan.seq), scan)
                    if !isNewOrSame, !isLinked { report.conflicts += 1 }
                } else {
                    orphans.add(Recovery.csv(id >> 32, scan))
                }
            case .reason(let id, let text):
                if let place = places[id >> 32] {
                    try writer.add(JournalFile.scanID(place, id & JournalFile.seqLimit), reason: text)
                }
            case .journal, .log, .counter, .remembered: break
            }
            rows += 1
            if rows % Recovery.rowsATransaction == 0 { try database.execute("COMMIT; BEGIN IMMEDIATE") }
        }
        try database.execute("DELETE FROM reasons WHERE id NOT IN (SELECT id FROM scans); COMMIT")
    }

    /// Who the journals of a file are, by their number in it.
    private func owners(_ source: String) throws -> [Int64: Owner] {
        var owners: [Int64: Owner] = [:]
        var logs: [Int64: JournalID] = [:]
        try records(source) { record, _ in
            switch record {
            case .journal(let id, let log, let scanner, let createdMs):
                if owners[id] == nil { owners[id] = Owner(log: log, scanner: scanner, createdMs: createdMs) }
            case .log(let id, let log): logs[id] = log
            case .scan, .reason, .counter, .remembered: break
            }
        }
        let names = Set(owners.values.map(\.scanner))
        if let name = scanner ?? (names.count == 1 ? names.first : nil) {
            for (id, log) in logs where owners[id] == nil {
                owners[id] = Owner(log: log, scanner: name, createdMs: 0)
            }
        }
        return owners
    }

    /// All rows of a file and its log: first those to which pages point (true), for they are sound where the page is, and
    /// then whatever looks like a row, those again among it.
    private func records(_ source: String, _ body: (RecordCarver.Record, Bool) throws -> Void) throws {
        try linkedRecords(source) { try body($0, true) }
        try carvedRecords(source) { try body($0, false) }
    }

    /// By pages; those of the log have a head each, and the log has one.
    private func linkedRecords(_ source: String, _ body: (RecordCarver.Record) throws -> Void) throws {
        for (path, fileHead, pageHead) in [(source, 0, 0), (CorruptFile.log(of: source), 32, 24)]
        where Files.exists(path) {
            let step = pageHead + Int(JournalFile.pageBytes)
            var window: [UInt8] = []
            var skip = fileHead
            try Files.salvageChunks(path) { chunk in
                window += chunk
                var at = skip
                while at + step <= window.count {
                    try RecordCarver.linked(window[(at + pageHead)..<(at + step)], body)
                    at += step
                }
                guard at <= window.count else { return }
                window.removeFirst(at)
                skip = 0
            }
        }
    }

    /// In windows that overlap by the longest row.
    private func carvedRecords(_ source: String, _ body: (RecordCarver.Record) throws -> Void) throws {
        for path in [source, CorruptFile.log(of: source)] where Files.exists(path) {
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
        "\(journal),\(scan.seq),\(UTCTime.text(microseconds: scan.atMs * 1_000)),\(scan.tag.rawValue),"
            + "\(scan.verdict.rawValue),\(scan.flags.rawValue),\(scan.gate.map { "\($0)" } ?? ""),\(scan.snapshot)\n"
    }
}

extension Recovery {
    private struct Writer {
        let insert: Statement
        let select: Statement
        let insertReason: Statement
        let database: Database

        init(_ database: Database) throws {
            self.database = database
            insert = try database.prepare("INSERT OR IGNORE INTO scans VALUES (?, ?, ?, ?, ?, ?, ?)")
            select = try database.prepare("SELECT id, at, tag, verdict, flags, gate, snapshot FROM scans WHERE id = ?")
            insertReason = try database.prepare("INSERT OR IGNORE INTO reasons VALUES (?, ?)")
        }

        /// False when another scan has the place. The same row is found often: pages are copied in the log.
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
    }
}
