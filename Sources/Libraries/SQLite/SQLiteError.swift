import CSQLite
package import ErrorModel
import Glibc

/// A failed SQLite call: the operation, the extended result code and SQLite's message.
package struct SQLiteError: OperationError {
    /// The failed operation, or the SQL of the statement.
    package let operation: String
    /// Extended result code (https://sqlite.org/rescode.html).
    package let code: Int32
    /// SQLite's message.
    package let message: String
    /// Absolute path of the file; `nil` without one.
    package let file: String?
    /// errno of the failed system call; meaningless if no system call failed.
    package let systemCode: Int32

    init(_ operation: String, code: Int32, database: OpaquePointer?) {
        // A failed commit leaves the code in errno and not in `sqlite3_system_errno`. Read it before any other call.
        let last = errno
        let recorded = database.map { sqlite3_system_errno($0) } ?? 0
        systemCode = code & 0xff == SQLITE_IOERR || recorded == 0 ? last : recorded
        self.operation = operation
        let name = database.flatMap { sqlite3_db_filename($0, nil) }.map { String(cString: $0) }
        file = name?.isEmpty == false ? name : nil
        self.code = code
        message = database.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(code))
    }

    /// The file and the cause in plain words if the file or its disk has failed; otherwise the operation, SQLite's
    /// message and the extended result code.
    package var description: String {
        if isFileFault, let file { return "\(file): \(cause)" }
        return "\(operation): \(message) (SQLite \(code))"
    }

    /// The cause without the statement, in plain words if the file or its disk has failed.
    package var cause: String {
        let words =
            isFull ? "the disk is full" : isDamaged ? "the file is damaged" : "the disk cannot read or write the file"
        return (isFileFault ? words : message) + " (SQLite \(code))"
    }

    /// Whether the fault is of the file or its disk, and not of the operation.
    private var isFileFault: Bool { isFull || isDamaged || isDiskFailure }

    /// Always `.failure`.
    package var category: ErrorCategory { .failure }
    /// `true` if another connection holds a lock.
    package var isRetriable: Bool { isBusy }

    /// The primary result code: the low byte.
    package var primary: Int32 { code & 0xff }
    /// Whether another connection holds a lock.
    package var isBusy: Bool { primary == SQLITE_BUSY || primary == SQLITE_LOCKED }
    /// Whether the file cannot be opened.
    package var isCannotOpen: Bool { primary == SQLITE_CANTOPEN }
    /// Whether the file is corrupt or no database.
    package var isDamaged: Bool { primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB }
    /// Whether the disk or a quota is full, or the file would exceed the file size limit.
    package var isFull: Bool {
        primary == SQLITE_FULL || primary == SQLITE_IOERR && [ENOSPC, EDQUOT, EFBIG].contains(systemCode)
    }

    /// Whether the disk fails to read or write a file: a bad block or a damaged file system.
    ///
    /// `false` for a full disk and for temporary shortages of memory, locks or space in the -shm file.
    package var isDiskFailure: Bool {
        if isCannotOpen { return SQLiteError.damagedInodeCodes.contains(systemCode) }
        return primary == SQLITE_IOERR && !isFull && SQLiteError.diskFailureCodes.contains(code >> 8)
    }

    /// errno values of an unreadable inode. EUCLEAN is "structure needs cleaning", EBADMSG a bad checksum.
    private static let damagedInodeCodes: Set<Int32> = [EIO, EUCLEAN, EBADMSG]

    /// The second bytes of SQLITE_IOERR_READ, SHORT_READ, WRITE, FSYNC, DIR_FSYNC, TRUNCATE, FSTAT, SEEK, DATA,
    /// CORRUPTFS.
    private static let diskFailureCodes: Set<Int32> = [1, 2, 3, 4, 5, 6, 7, 22, 32, 33]
}
