import DataFolder
import FileSystem
package import LinuxSystem
import SQLite
package import ScanModel

/// A journal in the file, at the time of the read.
package struct JournalRecord: Hashable, Sendable {
    /// The number of the journal in its file. Increases with each new journal.
    package let id: Int64
    /// The random ID that the center knows.
    package let journalID: JournalID
    /// The scanner that wrote it.
    package let scanner: ScannerID
    /// Device clock, milliseconds since 1970-01-01 UTC.
    package let createdMs: Int64
    /// 0 for a journal without scans.
    package let lastSeq: Int64
}

/// Reads `journal.sqlite` in another process than the gate. Confined to one thread.
///
/// It writes nothing, and every call ends its read transaction before it returns. So the gate never waits, and can
/// always checkpoint its WAL. A file that is missing, is not complete yet, or is being recovered by SQLite reads as
/// empty. A file that the gate has replaced is detected, and the new one is read.
///
/// A simulated fleet has the `Journal` of the same folder in the same process. Then the journal must be opened before
/// the first read and closed after the last one. SQLite shares the -shm file among the connections of a process. The
/// first connection decides whether it is writable.
package final class JournalReader {
    private let path: String
    private var open: Open?

    private struct Open {
        let inode: UInt64
        let isRecovered: Bool
        let database: Database
        let journals: Statement
        let scans: Statement
        /// `nil` in a file of an old version, which has no reasons.
        let reasons: Statement?
        /// The numbers that `journals` has returned. In another file they stand for other journals.
        var known: Set<Int64> = []
    }

    /// - Parameter folder: The scanner's data folder. It may be missing.
    package init(folder: String) { path = DataFolderPaths.journal(folder) }

    /// Returns the journals with numbers above `id`, in order of creation.
    ///
    /// - Throws: `DataFileError` for a corrupt file.
    package func journals(after id: Int64 = 0) throws -> [JournalRecord] {
        try reading { open in
            var records: [JournalRecord] = []
            try open.journals.rows(.int(id)) { row in
                guard let journalID = JournalID(row.blob(1)), let scanner = ScannerID(row.text(2)) else {
                    throw DataFileError(path, "a journal without a valid ID or scanner", isDamaged: true)
                }
                records.append(
                    JournalRecord(
                        id: row.int(0), journalID: journalID, scanner: scanner,
                        createdMs: JournalFile.boundedMs(row.int(3)),
                        lastSeq: row.isNull(4) ? 0 : row.int(4) & JournalFile.seqLimit))
            }
            open.known.formUnion(records.map(\.id))
            return records
        } ?? []
    }

    /// Returns the scans after `seq`, in order.
    ///
    /// - Parameters:
    ///   - id: The number of a journal. `journals` must have returned it since the file was last replaced, else the
    ///     result is empty.
    ///   - seq: The seq before the first scan.
    ///   - limit: Maximum number of scans.
    /// - Throws: `DataFileError` for a corrupt file.
    package func read(journal id: Int64, after seq: Int64, limit: Int) throws -> [Scan] {
        try reading { open in
            guard open.known.contains(id) else { return [] }
            var scans: [Scan] = []
            try open.scans.rows(
                .int(JournalFile.scanID(id, seq)), .int(JournalFile.scanID(id, JournalFile.seqLimit)),
                .int(Int64(limit))
            ) { row in
                scans.append(Scan(row))
            }
            return scans
        } ?? []
    }

    /// Returns the reasons of operators for the scans after `seq`, by seq.
    ///
    /// - Parameters:
    ///   - id: The number of a journal, as in `read`.
    ///   - seq: The seq before the first scan.
    ///   - last: The seq of the last scan.
    ///   - limit: Maximum number of reasons, the first ones.
    /// - Throws: `DataFileError` for a corrupt file.
    package func reasons(journal id: Int64, after seq: Int64, upTo last: Int64, limit: Int) throws -> [Int64: String] {
        try reading { open in
            var reasons: [Int64: String] = [:]
            guard open.known.contains(id), let statement = open.reasons else { return reasons }
            try statement.rows(
                .int(JournalFile.scanID(id, seq)), .int(JournalFile.scanID(id, last)), .int(Int64(limit))
            ) { row in reasons[row.int(0) & JournalFile.seqLimit] = row.text(1) }
            return reasons
        } ?? [:]
    }

    /// Returns the monotonic times at which scans of a boot were made, in milliseconds by seq.
    ///
    /// Only scans under an untrusted clock have one. A file that no gate of this version has opened has none.
    ///
    /// - Parameters:
    ///   - id: The number of a journal. See `read`.
    ///   - seqs: The seqs of the scans.
    ///   - boot: The boot.
    /// - Throws: `DataFileError` for a corrupt file.
    package func monotonicTimes(journal id: Int64, _ seqs: ClosedRange<Int64>, boot: BootID) throws -> [Int64: Int64] {
        try reading { open in
            // Looked up in each call: the gate may be updated while the file is open.
            guard open.known.contains(id),
                try open.database.int("SELECT count(*) FROM sqlite_master WHERE name = 'clocks'") == 1
            else { return [:] }
            var times: [Int64: Int64] = [:]
            try open.database.prepare("SELECT id, ms FROM clocks WHERE id BETWEEN ? AND ? AND boot = ?").rows(
                .int(JournalFile.scanID(id, seqs.lowerBound)), .int(JournalFile.scanID(id, seqs.upperBound)),
                .blob(boot.bytes)
            ) { times[$0.int(0) & JournalFile.seqLimit] = $0.int(1) }
            return times
        } ?? [:]
    }

    /// Returns whether the file was recovered from a corrupt one, so that seqs may be missing between others.
    package func mayHaveGaps() throws -> Bool { try reading { $0.isRecovered } ?? false }

    /// Returns the number of scans of this scanner after the upload cursor of each journal.
    ///
    /// - Throws: `DataFileError` for a corrupt file.
    package func backlog(beyond cursors: [JournalID: Int64], scanner: ScannerID) throws -> Int {
        try journals().filter { $0.scanner == scanner }
            .reduce(0) { $0 + max(0, Int($1.lastSeq - cursors[$1.journalID, default: 0])) }
    }

    /// Runs a read on the current file.
    ///
    /// A read during which the file was replaced is repeated. SQLite may have mixed the old database with the new WAL.
    ///
    /// - Returns: `nil` if the file is not readable yet.
    private func reading<Result>(_ body: (inout Open) throws -> Result) throws -> Result? {
        for _ in 0..<3 {
            // An empty file is about to be filled, or to be moved away with its WAL. Opening it would delete the WAL.
            guard let inode = Files.status(path)?.inode, !CorruptFile.isEmpty(path) else {
                open = nil
                return nil
            }
            do {
                if open?.inode != inode {
                    open = nil
                    guard let fresh = try opened(inode) else { return nil }
                    open = fresh
                }
                let result = try body(&open!)
                if Files.status(path)?.inode == inode { return result }
            } catch let error as SQLiteError {
                open = nil
                if Files.status(path)?.inode != inode { continue }
                if error.meansNotYet { return nil }
                throw DataFileError(path, error)
            } catch {
                open = nil
                guard Files.status(path)?.inode != inode else { throw error }
            }
        }
        return nil
    }

    /// Opens the file. Returns `nil` while the gate has not created its tables.
    private func opened(_ inode: UInt64) throws -> Open? {
        let database = try Database(path, .readOnly)
        guard try database.int("SELECT count(*) FROM sqlite_master WHERE name = 'scans'") == 1 else { return nil }
        let (application, format) = (
            try database.int("PRAGMA application_id"), try database.int("PRAGMA user_version")
        )
        guard application == JournalFile.durable.applicationID, format == JournalFile.durable.format else {
            throw DataFileError(path, "not a journal that this program reads (format \(format ?? 0))")
        }
        let last = "SELECT s.id FROM scans s WHERE s.id BETWEEN j.id << 32 AND (j.id << 32) + \(JournalFile.seqLimit)"
        return Open(
            inode: inode,
            isRecovered: try database.int(
                "SELECT count(*) FROM sqlite_master WHERE name = ?", .text(JournalFile.recoveredMark)) == 1,
            database: database,
            journals: try database.prepare(
                """
                SELECT j.id, j.log, j.scanner, j.created, (\(last) ORDER BY s.id DESC LIMIT 1)
                FROM journals j WHERE j.id > ? ORDER BY j.id
                """),
            scans: try database.prepare(
                """
                SELECT id, at, tag, verdict, flags, gate, snapshot FROM scans
                WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
                """),
            reasons: try database.int("SELECT count(*) FROM sqlite_master WHERE name = 'reasons'") == 1
                ? try database.prepare(
                    "SELECT id, reason FROM reasons WHERE id > ? AND id <= ? ORDER BY id LIMIT ?") : nil)
    }
}
