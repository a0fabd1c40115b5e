import Compression
package import ErrorModel
import FileSystem
import HTTPClient
import LinuxSystem
import SQLite
import Snapshots

/// A failed snapshot download or installation.
package struct DownloadError: OperationError {
    package let category: ErrorCategory
    package let description: String

    init(_ category: ErrorCategory, _ description: String) {
        self.category = category
        self.description = description
    }

    /// Describes an error of a download step.
    init(_ error: any Error) {
        category = FailureKind(error).category
        description = "\(error)"
    }
}

/// What a failed step says about the next one. The only place where errors of a download are classified.
enum FailureKind: Equatable {
    /// This machine failed: its disk is full or broken, or another process installs. Another source would not help.
    case local(ErrorCategory)
    /// The caller stopped the download.
    case stopped
    /// The network or the source failed for now. Another source may help, and a partial file is worth resuming.
    case temporary
    /// The source sent something unusable. Another source may help, and a partial file is not worth resuming.
    case unusable(ErrorCategory)

    init(_ error: any Error) {
        switch error {
        case let error as HTTPClientError:
            self =
                switch error.kind {
                case .file: .local(.failure)
                case .stopped: .stopped
                case .tooLarge: .unusable(.unavailable)
                case .address, .unreachable, .timedOut: .temporary
                }
        case let error as FileLock.Held: self = .local(error.category)
        // Without a code the bytes are at fault, not the disk.
        case let error as GzipError: self = error.code == nil ? .unusable(.failure) : .local(.failure)
        case let error as SQLiteError:
            self = error.isFull || error.isDiskFailure ? .local(.failure) : .unusable(.failure)
        case is SystemError: self = .local(.failure)
        case let error as any OperationError:
            self = error.category == .unavailable ? .temporary : .unusable(error.category)
        default: self = .unusable(.failure)
        }
    }

    /// Whether another source could not help.
    var endsAllSources: Bool {
        switch self {
        case .local, .stopped: true
        case .temporary, .unusable: false
        }
    }

    var category: ErrorCategory {
        switch self {
        case .local(let category), .unusable(let category): category
        case .stopped, .temporary: .unavailable
        }
    }
}
