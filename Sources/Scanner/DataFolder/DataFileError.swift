package import SQLite

/// Why a scan, or a cursor, could not be written or read.
package struct DataFileError: Error, CustomStringConvertible, Sendable {
    package let path: String
    package let detail: String
    /// Nothing more can be written until there is room again.
    package let isFull: Bool
    /// The file is not what it should be, or its disk fails: opening it anew goes on with it where it can be read and
    /// written after all, and else sets it aside.
    package let isDamaged: Bool

    package init(_ path: String, _ detail: String, isDamaged: Bool = false) {
        (self.path, self.detail, isFull, self.isDamaged) = (path, detail, false, isDamaged)
    }

    package init(_ path: String, _ error: SQLiteError) {
        self.path = path
        (isFull, isDamaged) = (error.isFull, error.isDamaged || error.isDiskFailure)
        detail = error.isFull ? "the disk is full (\(error))" : error.description
    }

    package var description: String { "\(path): \(detail)" }
}
