package import ErrorModel

/// An operation on journals that the state of a folder does not allow.
///
/// Faults of a file are `DataFileError`.
package enum JournalError: OperationError, Hashable {
    /// A gate is running on the folder, so it is not the folder of a dead device.
    case gateIsRunning(folder: String)
    /// The output folder of a recovery already contains a journal. The associated value is the path of that journal.
    case outputExists(path: String)

    /// `configuration` for a folder that is in use, `failure` for an existing output.
    package var category: ErrorCategory {
        switch self {
        case .gateIsRunning: .configuration
        case .outputExists: .failure
        }
    }

    /// `true` for a running gate, which may end.
    package var isRetriable: Bool {
        switch self {
        case .gateIsRunning: true
        case .outputExists: false
        }
    }

    /// The folder or file, and why the operation is not allowed.
    package var description: String {
        switch self {
        case .gateIsRunning(let folder):
            "a gate is running on \(folder): the folder of a dead device is needed"
        case .outputExists(let path): "\(path) already exists"
        }
    }
}
