import FileSystem
import SQLite
package import ScanModel

/// The upload cursors, `shipped.sqlite`: for each journal, the last seq up to which the broker has confirmed all scans.
///
/// Written by the publisher alone. Confined to one thread.
package final class UploadCursors {
    private static let file = DurableFile(
        applicationID: 0x5450_4C53, format: 1,
        schema: """
            CREATE TABLE IF NOT EXISTS shipped(
                log BLOB PRIMARY KEY NOT NULL, scanner TEXT NOT NULL, last INTEGER NOT NULL) WITHOUT ROWID;
            """)

    private let path: String
    private let lock: FileLock
    private let database: Database
    private let select: Statement
    private let upsert: Statement

    /// Takes the folder's publisher lock and opens or makes the file.
    ///
    /// A corrupt file is quarantined. Then all scans are uploaded again, and the center discards the duplicates.
    /// - Throws: `FileLock.Held` if another publisher uses the folder; `DataFileError` if the file cannot be written.
    package init(folder: String) throws {
        try Files.makeFolder(folder)
        lock = try FileLock(DataFolderPaths.publisherLock(folder))
        path = DataFolderPaths.shipped(folder)
        database = try UploadCursors.file.open(path).database
        do {
            select = try database.prepare("SELECT last FROM shipped WHERE log = ?")
            upsert = try database.prepare(
                """
                INSERT INTO shipped VALUES (?, ?, ?)
                ON CONFLICT (log) DO UPDATE SET last = excluded.last WHERE excluded.last > last
                """)
        } catch { throw DataFileError(path, error) }
    }

    /// The cursor of a journal; 0 if no scan of it was uploaded.
    ///
    /// - Throws: `DataFileError`.
    package func lastSeq(of log: JournalID) throws -> Int64 {
        var last: Int64 = 0
        do { try select.rows(.blob(log.bytes)) { last = $0.int(0) } } catch let error as SQLiteError {
            throw DataFileError(path, error)
        }
        return UploadCursors.bounded(last)
    }

    /// Advances a cursor; never moves it back. It is on the disk when this returns.
    ///
    /// - Throws: `DataFileError`.
    package func advance(_ log: JournalID, scanner: ScannerID, to seq: Int64) throws {
        do throws(SQLiteError) {
            try upsert.run(.blob(log.bytes), .text(scanner.text), .int(seq))
        } catch { throw DataFileError(path, error) }
    }

    /// The cursors of all journals.
    ///
    /// - Throws: `DataFileError`.
    package func all() throws -> [JournalID: Int64] {
        do { return try UploadCursors.all(database) } catch let error as SQLiteError {
            throw DataFileError(path, error)
        }
    }

    /// Reads the cursors of all journals without the lock; empty if the file does not exist yet. The publisher may run.
    ///
    /// - Parameter busyTimeoutMs: time to wait for a publisher that makes or recovers the file, in milliseconds. After
    ///   it, the result is empty.
    /// - Throws: `DataFileError` for a corrupt file.
    package static func read(folder: String, busyTimeoutMs: Int32 = 5_000) throws -> [JournalID: Int64] {
        let path = DataFolderPaths.shipped(folder)
        guard !CorruptFile.isEmpty(path) else { return [:] }
        do {
            let database = try Database(path, .readOnly, busyTimeoutMs: busyTimeoutMs)
            guard try database.int("SELECT count(*) FROM sqlite_master WHERE name = 'shipped'") == 1 else { return [:] }
            return try all(database)
        } catch let error as SQLiteError {
            if error.meansNotYet { return [:] }
            throw DataFileError(path, error)
        }
    }

    private static func all(_ database: Database) throws -> [JournalID: Int64] {
        var cursors: [JournalID: Int64] = [:]
        try database.prepare("SELECT log, last FROM shipped").rows { row in
            guard let log = JournalID(row.blob(0)) else { return }
            cursors[log] = bounded(row.int(1))
        }
        return cursors
    }

    /// A damaged file may hold any number. Beyond the limits it would overflow in sums.
    private static func bounded(_ seq: Int64) -> Int64 { min(max(seq, Bounds.seqs.lowerBound), Bounds.seqs.upperBound) }
}
