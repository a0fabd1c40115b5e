package import ErrorModel
import Glibc

/// A failed system call: the operation, its object, and errno.
package struct SystemError: OperationError, Hashable {
    /// The operation and its object, for example `open /etc/passwd`.
    package let operation: String
    /// errno.
    package let code: Int32

    /// - Parameters:
    ///   - operation: the operation and its object, for example `open /etc/passwd`.
    ///   - code: errno; `nil` reads the current value. Pass it explicitly if another call comes in between.
    package init(_ operation: String, code: Int32? = nil) {
        self.code = code ?? errno
        self.operation = operation
    }

    /// Whether the disk or a quota is full.
    package var isFull: Bool { code == ENOSPC || code == EDQUOT }

    /// `.unavailable` if the peer of a socket cannot be reached, otherwise `.failure`.
    package var category: ErrorCategory {
        [ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENETDOWN].contains(code) ? .unavailable : .failure
    }
    /// `true` for an unreachable peer, a busy resource and a time-out.
    package var isRetriable: Bool { category == .unavailable || [EAGAIN, EBUSY, ETIMEDOUT].contains(code) }

    /// The operation and the system's text for `code`.
    package var description: String { "\(operation): \(String(cString: strerror(code)))" }
}
