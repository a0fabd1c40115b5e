import Glibc

/// A failed system call: which one, on what, and errno.
public struct SystemError: Error, CustomStringConvertible, Sendable {
    public let operation: String
    public let code: Int32

    /// - Parameter code: errno unless told otherwise; to be read before another call overwrites it.
    public init(_ operation: String, code: Int32? = nil) {
        self.code = code ?? errno
        self.operation = operation
    }

    /// No room: of the disk, or of a quota.
    public var isFull: Bool { code == ENOSPC || code == EDQUOT }

    public var description: String { "\(operation): \(String(cString: strerror(code)))" }
}
