package import LinuxSystem
import SQLite

/// Why a file of the data folder cannot be written, as the lane shows it.
///
/// The lane's screen shows it in the language of the crew; log, `gate.json` and `status` show `description`.
package enum StorageFault: Hashable, Sendable, CustomStringConvertible {
    /// The disk is full.
    ///
    /// - Parameters:
    ///   - path: the file that was written.
    ///   - text: the whole error message.
    case diskFull(path: String, text: String)
    /// A system call failed.
    case system(SystemError)
    /// Any other error, by its description.
    case other(String)

    /// Classifies an error of a write to the data folder.
    package init(_ error: any Error) {
        switch error {
        case let error as DataFileError where error.isFull: self = .diskFull(path: error.path, text: error.description)
        case let error as SystemError: self = .system(error)
        case let error as SQLiteError: self = .other(error.cause)
        default: self = .other("\(error)")
        }
    }

    /// Plain English, for log and status.
    package var description: String {
        switch self {
        case .diskFull(_, let text): text
        case .system(let error): error.description
        case .other(let text): text
        }
    }
}
