import DataFolder
import FileSystem
import SQLite
package import ScanModel

/// A journal in the file, as it was when it was read.
package struct JournalRecord: Hashable, Sendable {
    /// Rises with each new journal of the file.
    package let id: Int64
    package let journalID: JournalID
    package let scanner: ScannerID
    /// Device clock, milliseconds since 1970-01-01 UTC.
    package let createdMs: Int64
    /// 0: no scan yet.
    package let lastSeq: Int64
}

/// The publisher's view of `journal.sqlite`. Writes nothing, and every call ends its read before it returns, so the gate
/// never waits and its log can always be folded back. Confined to one thread.
///
/// A file that is not there yet, cannot be opened yet, or is being recovered by its gate reads as empty: "not yet". One that
/// the gate set aside and replaced is noticed, and the new one read.
///
/// In one process with the `Journal` of the same folder (a simulated fleet) the journal must be opened before the reader
/// first reads, and closed after it: SQLite shares the -shm file among the connections of a process, and the first one
/// decides whether it can be written.
package final class JournalReader {
    private let path: String
    private var open: Open?

    private struct Open {
        let inode: UInt64
        let isRecovered: Bool
        let journals: Statement
        let scans: Statement
        /// What `journals()` said: an id means nothing in another file.
        var known: Set<Int64> = []
    }

    /// - Parameter folder: the scanner's data folder; may be missing.
    package init(folder: String) { path = DataFolderPaths.journal(folder) }

    /// The journals with ids above `id`, in order of creation. Throws `DataFileError` for a damaged file.
    package func journals(after id: Int64 = 0) throws -> [JournalRecord] {
        try reading { open in
            var records: [JournalRecord] = []
            try open.journals.rows(.int(id)) { row in
                guard let journalID = JournalID(row.blob(1)), let scanner = ScannerID(row.text(2)) else {
                    throw DataFileError(path, "a journal without identity", isDamaged: true)
                }
                records.append(
                    JournalRecord(
                        id: row.int(0), journalID: journalID, scanner: scanner, createdMs: row.int(3),
                        lastSeq: row.isNull(4) ? 0 : row.int(4) & JournalFile.seqLimit))
            }
            open.known.formUnion(records.map(\.id))
            return records
        } ?? []
    }

    /// Scans after `seq`, in order, at most `limit`.
    ///
    /// Empty also for an id that `journals` has not named since the file was replaced: ask it again. Throws `DataFileError`
    /// for a damaged file.
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

    /// Whether the file was recovered from a damaged one: only then may seqs be missing between those that it holds.
    package func mayHaveGaps() throws -> Bool { try reading { $0.isRecovered } ?? false }

    /// Scans of this scanner's journals that lie beyond what was shipped of each. Throws `DataFileError` for a damaged file.
    package func backlog(beyond shipped: [JournalID: Int64], scanner: ScannerID) throws -> Int {
        try journals().filter { $0.scanner == scanner }
            .reduce(0) { $0 + max(0, Int($1.lastSeq - shipped[$1.journalID, default: 0])) }
    }

    /// Runs a read on the present file; nil for "not yet". What was read while the file was replaced is read again: SQLite
    /// may have mixed the old database with the log of the new.
    private func reading<Result>(_ body: (inout Open) throws -> Result) throws -> Result? {
        for _ in 0..<3 {
            // An empty one is about to be filled, or to be set aside with its log, which a look at it would delete.
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

    /// Nil while the gate has not made its tables.
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
            journals: try database.prepare(
                """
                SELECT j.id, j.log, j.scanner, j.created, (\(last) ORDER BY s.id DESC LIMIT 1)
                FROM journals j WHERE j.id > ? ORDER BY j.id
                """),
            scans: try database.prepare(
                """
                SELECT id, at, tag, verdict, flags, gate, snapshot FROM scans
                WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
                """))
    }
}
