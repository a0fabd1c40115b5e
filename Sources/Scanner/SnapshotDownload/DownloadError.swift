package import ErrorModel
import HTTPClient
import Snapshots

/// A failed snapshot download or installation.
package struct DownloadError: OperationError {
    /// The consequence of a failure for the next step.
    enum Kind {
        /// This scanner failed: its disk is full or broken, or another process installs. No other source would help.
        case local
        /// The caller stopped the download.
        case stopped
        /// The network or the source failed for now. Another source may help, and a partial file is worth resuming.
        case temporary
        /// The source sent unusable bytes. Another source may help, but a partial file is not worth resuming.
        case unusable
    }

    let kind: Kind
    /// The class of the failure, for the exit code of a program.
    package let category: ErrorCategory
    /// The step that failed, and why.
    package let description: String
    /// Whether a snapshot was refused because of its event key.
    package var isOfOtherKey = false

    init(_ kind: Kind, _ category: ErrorCategory, _ description: String) {
        self.kind = kind
        self.category = category
        self.description = description
    }

    /// Describes the failure of a request.
    init(_ error: HTTPClientError) {
        let (kind, category): (Kind, ErrorCategory) =
            switch error.kind {
            case .file: (.local, .failure)
            case .stopped: (.stopped, .unavailable)
            case .tooLarge: (.unusable, .unavailable)
            case .address, .unreachable, .timedOut: (.temporary, .unavailable)
            }
        self.init(kind, category, "\(error)")
    }

    /// Describes the failure of any step. Only a `SnapshotRefusal` is a fault of the source. All other errors
    /// that are not yet a `DownloadError` come from the disk or from the installation lock.
    init(_ error: any Error) {
        switch error {
        case let error as DownloadError: self = error
        case let error as SnapshotRefusal:
            self.init(.unusable, error.category, "\(error)")
            isOfOtherKey = error.reason == .eventKey
        case let error as any OperationError: self.init(.local, error.category, "\(error)")
        default: self.init(.local, .failure, "\(error)")
        }
    }
}
