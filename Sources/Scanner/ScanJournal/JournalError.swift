import SQLite

/// Why a scan, or a cursor, could not be written or read.
public struct JournalError: Error, CustomStringConvertible, Sendable {
    public let path: String
    public let detail: String
    /// Nothing more can be written until there is room again.
    public let isFull: Bool
    /// The file is not what it should be, or its disk fails: opening it anew goes on with it where it can be read and
    /// written after all, and else sets it aside.
    public let isDamaged: Bool

    init(_ path: String, _ detail: String, isDamaged: Bool = false) {
        (self.path, self.detail, isFull, self.isDamaged) = (path, detail, false, isDamaged)
    }

    init(_ path: String, _ error: SQLiteError) {
        self.path = path
        (isFull, isDamaged) = (error.isFull, error.isDamaged || error.isDiskFailure)
        detail = error.isFull ? "the disk is full (\(error))" : error.description
    }

    public var description: String { "\(path): \(detail)" }
}
