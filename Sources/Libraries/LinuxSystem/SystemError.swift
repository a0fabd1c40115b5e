package import ErrorModel
import Glibc

/// A failed system call: the operation, its object, and errno.
package struct SystemError: OperationError, Hashable {
    /// The operation and its object, for example `open /etc/passwd`.
    package let operation: String
    /// errno.
    package let code: Int32
    /// The text of another part of the system, in place of the text for `code`.
    private let text: String?

    /// - Parameters:
    ///   - operation: the operation and its object, for example `open /etc/passwd`.
    ///   - code: errno; `nil` reads the current value. Pass it explicitly if another call comes in between.
    ///   - text: a text that is more exact than the one for `code`, for example of the name resolver.
    package init(_ operation: String, code: Int32? = nil, text: String? = nil) {
        self.code = code ?? errno
        self.text = text
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

    /// The operation and `cause`.
    package var description: String { "\(operation): \(cause)" }
    /// The system's text for `code`, or of the part of the system that failed.
    package var cause: String { text ?? String(cString: strerror(code)) }
}
