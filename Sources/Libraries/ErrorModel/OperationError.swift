/// An error that callers can act on without knowing its type.
///
/// Libraries and services throw their own types; `CLI` maps the category to an exit code (contract.md section 8).
package protocol OperationError: Error, CustomStringConvertible, Sendable {
    /// Kind of fault, which decides the exit code.
    var category: ErrorCategory { get }
    /// Whether the same call can succeed later without a change by the user.
    var isRetriable: Bool { get }
}

extension OperationError {
    /// `true` for an unavailable dependency.
    package var isRetriable: Bool { category == .unavailable }
}

/// The kinds of fault that a program reports by different exit codes.
package enum ErrorCategory: Hashable, Sendable {
    /// A setting, a file or an argument is wrong, and a retry gives the same error.
    case configuration
    /// A server or a network is unreachable.
    case unavailable
    /// Any other fault.
    case failure
}
