import ErrorModel

/// Exit codes of all programs (contract.md section 8, after sysexits.h).
package enum ExitCode: Int32, Sendable {
    /// Success.
    case done = 0
    /// Any other fault.
    case failed = 1
    /// Invalid command line.
    case usage = 64
    /// A server, a network or a running program cannot be reached.
    case unreachable = 69
    /// Invalid setting or file.
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
    /// The exit code of the program.
    package var code: ExitCode
    /// The message for the user: what was attempted, what is wrong, what to do.
    package var description: String

    /// Creates an error with any exit code.
    package init(_ code: ExitCode, _ description: String) {
        self.code = code
        self.description = description
    }

    /// Returns an error for an invalid command line, exit code 64.
    package static func usage(_ message: String) -> ProgramError { .init(.usage, message) }
    /// Returns an error for an invalid setting or file, exit code 78.
    package static func configuration(_ message: String) -> ProgramError { .init(.configuration, message) }
    /// Returns an error for an unreachable server or program, exit code 69.
    package static func unreachable(_ message: String) -> ProgramError { .init(.unreachable, message) }
    /// Returns the error of a status command that has found alarms, exit code 1.
    package static func alarms(_ alarms: [String]) -> ProgramError {
        .failed("alarm: " + alarms.joined(separator: "; "))
    }
    /// Returns an error of any other kind, exit code 1.
    package static func failed(_ message: String) -> ProgramError { .init(.failed, message) }
}
