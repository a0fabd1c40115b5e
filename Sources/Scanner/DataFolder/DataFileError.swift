import FileSystem
package import SQLite

/// A file of the data folder could not be written or read.
package struct DataFileError: Error, CustomStringConvertible, Sendable {
    /// Path of the file.
    package let path: String
    /// The cause.
    package let detail: String
    /// Whether the disk is full.
    package let isFull: Bool
    /// Whether the file is corrupt or its disk fails. Opening it again continues with it if it can be read and written
    /// after all; otherwise it is quarantined.
    package let isDamaged: Bool

    /// Creates an error with a given cause. The disk does not count as full.
    ///
    /// - Parameters:
    ///   - path: path of the file.
    ///   - detail: the cause, for log and status.
    ///   - isDamaged: whether the file must be quarantined.
    package init(_ path: String, _ detail: String, isDamaged: Bool = false) {
        self.path = path
        self.detail = detail
        self.isDamaged = isDamaged
        isFull = false
    }

    /// Classifies an error of SQLite: full disk, corrupt file, failed disk, or other.
    package init(_ path: String, _ error: SQLiteError) {
        self.path = path
        isFull = error.isFull
        isDamaged = error.isDamaged || error.isDiskFailure
        detail = error.cause
    }

    /// The path and the cause.
    package var description: String { "\(path): \(detail)" }

    /// The path, the cause, and what to do, for `status`.
    package var alarm: String {
        let remedy: String? =
            switch isDamaged ? Files.name(of: path) : "" {
            case "journal.sqlite":
                "run tapline-gate recover; the gate begins a new journal when it starts or meets the damage"
            case "shipped.sqlite":
                "restart the publisher, which begins a new file and uploads all scans again"
            default: nil
            }
        return description + (remedy.map { ": " + $0 } ?? "")
    }
}
