import Glibc

/// A failed system call: which one, on what, and errno.
package struct SystemError: Error, Hashable, CustomStringConvertible, Sendable {
    package let operation: String
    package let code: Int32

    /// - Parameter code: errno unless told otherwise; to be read before another call overwrites it.
    package init(_ operation: String, code: Int32? = nil) {
        self.code = code ?? errno
        self.operation = operation
    }

    /// No room: of the disk, or of a quota.
    package var isFull: Bool { code == ENOSPC || code == EDQUOT }

    package var description: String { "\(operation): \(String(cString: strerror(code)))" }
}
