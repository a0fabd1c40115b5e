import ErrorModel

/// Exit codes of all programs (contract.md section 8, after sysexits.h).
package enum ExitCode: Int32, Sendable {
    case done = 0
    case failed = 1
    case usage = 64
    case unreachable = 69
    case configuration = 78

    /// Maps an error to the exit code of a program. The only such mapping.
    package init(for error: any Error) {
        switch error {
        case let error as ProgramError: self = error.code
        case let error as any OperationError:
            switch error.category {
            case .configuration: self = .configuration
            case .unavailable: self = .unreachable
            case .failure: self = .failed
            }
        default: self = .failed
        }
    }
}

/// An error that ends a program: its exit code and the message for the user. Thrown by programs only, never by
/// libraries.
package struct ProgramError: Error, CustomStringConvertible, Sendable {
    package var code: ExitCode
    package var description: String

    package init(_ code: ExitCode, _ description: String) {
        self.code = code
        self.description = description
    }

    package static func usage(_ message: String) -> ProgramError { .init(.usage, message) }
    package static func configuration(_ message: String) -> ProgramError { .init(.configuration, message) }
    package static func unreachable(_ message: String) -> ProgramError { .init(.unreachable, message) }
    package static func failed(_ message: String) -> ProgramError { .init(.failed, message) }
}
