package import LinuxSystem

/// Why a reader cannot be used.
///
/// The lane's screen shows it in the language of the crew; log, `gate.json` and `status` show `description`.
package enum ReaderProblem: Hashable, Sendable, CustomStringConvertible {
    /// Causes that libnfc reports and that the screen can translate.
    package enum DriverFault: Hashable, Sendable {
        case inputOutput, noSuchReader, timeout, closedByWatchdog, notSupported, insideReader, radio
        /// Any other cause, known by its text only.
        case other
    }

    /// The driver call did not return in time.
    case notResponding
    /// `auto` found no reader.
    case notFound
    /// `auto` found several readers.
    ///
    /// - Parameter example: the connection string of the first one.
    case ambiguous(count: Int, example: String)
    /// A driver call failed.
    ///
    /// - Parameters:
    ///   - operation: what was attempted.
    ///   - cause: the driver's own text.
    case driver(DriverFault, operation: String, cause: String)
    /// A system call on the port failed.
    case system(SystemError)
    /// Any other error, by its description.
    case other(String)

    /// Plain English, for log and status.
    package var description: String {
        switch self {
        case .notResponding: "the reader does not answer"
        case .notFound: "no NFC reader found"
        case .ambiguous(let count, let example): "\(count) NFC readers: name one, as nfc:\(example)"
        case .driver(_, let operation, let cause): "\(operation): \(cause)"
        case .system(let error): error.description
        case .other(let text): text
        }
    }
}
