/// Exit codes of every tapline program (SPEC.md section 8, after sysexits.h).
public enum ExitCode: Int32, Sendable {
    case done = 0
    case failed = 1
    case usage = 64
    case unreachable = 69
    case configuration = 78
}

/// An error that ends a program: what to tell the user, and with which code.
public struct ProgramError: Error, CustomStringConvertible, Sendable {
    public var code: ExitCode
    public var description: String

    public init(_ code: ExitCode, _ description: String) {
        self.code = code
        self.description = description
    }

    public static func usage(_ message: String) -> ProgramError { .init(.usage, message) }
    public static func configuration(_ message: String) -> ProgramError { .init(.configuration, message) }
    public static func unreachable(_ message: String) -> ProgramError { .init(.unreachable, message) }
    public static func failed(_ message: String) -> ProgramError { .init(.failed, message) }
}
