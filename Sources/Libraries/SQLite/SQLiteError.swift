import CSQLite
import Glibc

/// A failed SQLite call: what was tried, the extended result code, and SQLite's message.
package struct SQLiteError: Error, CustomStringConvertible, Sendable {
    package let operation: String
    /// Extended result code (https://sqlite.org/rescode.html).
    package let code: Int32
    package let message: String
    /// What the system said; of no meaning where it was not the system that failed.
    package let systemCode: Int32

    init(_ operation: String, code: Int32, database: OpaquePointer?) {
        // A failed commit leaves it here and not in `sqlite3_system_errno`. Asked before anything else is called.
        let last = errno
        let recorded = database.map { sqlite3_system_errno($0) } ?? 0
        systemCode = code & 0xff == SQLITE_IOERR || recorded == 0 ? last : recorded
        self.operation = operation
        self.code = code
        message = database.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(code))
    }

    package var description: String { "\(operation): \(message) (SQLite \(code))" }

    /// The primary result code: the low byte.
    package var primary: Int32 { code & 0xff }
    package var isBusy: Bool { primary == SQLITE_BUSY || primary == SQLITE_LOCKED }
    package var isCannotOpen: Bool { primary == SQLITE_CANTOPEN }
    package var isDamaged: Bool { primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB }
    /// No room: of the disk, of a quota, or under a limit of the size of files.
    package var isFull: Bool {
        primary == SQLITE_FULL || primary == SQLITE_IOERR && [ENOSPC, EDQUOT, EFBIG].contains(systemCode)
    }

    /// The disk does not give what was written, or does not take what is to be: a bad block, a file system that has come to
    /// harm. Never for a full disk, nor for want of memory, locks or room in the -shm file, which pass.
    package var isDiskFailure: Bool {
        if isCannotOpen { return SQLiteError.harm.contains(systemCode) }
        return primary == SQLITE_IOERR && !isFull && SQLiteError.diskFailures.contains(code >> 8)
    }

    /// Of a file whose inode cannot be read: the second is "structure needs cleaning", the third a bad checksum.
    private static let harm: Set<Int32> = [EIO, EUCLEAN, EBADMSG]

    /// The second bytes of SQLITE_IOERR_READ, SHORT_READ, WRITE, FSYNC, DIR_FSYNC, TRUNCATE, FSTAT, SEEK, DATA, CORRUPTFS.
    private static let diskFailures: Set<Int32> = [1, 2, 3, 4, 5, 6, 7, 22, 32, 33]
}
