package import ErrorModel
package import ScanModel

/// A failed upload, offline export or offline delivery.
///
/// Faults of a file are `DataFileError`, a folder in use is `FileLock.Held` or `JournalError.gateIsRunning`.
package enum UploadError: OperationError, Hashable {
    case invalidBrokerURL(detail: String)
    /// The connection to a broker on another machine would not be protected.
    case insecureBroker(detail: String)
    case folderMissing(path: String)
    /// No gate has written a journal in this data folder.
    case journalMissing(folder: String)
    /// Several scanners have scans in this data folder, and none was selected.
    case scannerNotSelected(folder: String, scans: [ScannerID: Int64])
    /// A gate is opening or replacing its journal.
    case journalUnreadable(detail: String)
    /// Neither the output folder nor its parent exists.
    case outputFolderMissing(path: String)
    /// The output folder has no space for the remaining scans.
    case outputFull(path: String, files: Int, scans: Int64, remaining: Int64)
    /// A delivery ended early. A repetition is harmless, because the center stores each scan once.
    case deliveryIncomplete(confirmed: Int64, total: Int64, DeliveryFailure)

    /// The reason for which a delivery ended early.
    package enum DeliveryFailure: Hashable, Sendable {
        case stopped
        /// The gate has pruned or replaced the journal.
        case journalGone(JournalID)
        case journalUnreadable(detail: String)
        case brokerTimeout(seconds: Int64, lastProblem: String?)
    }

    /// `configuration` for a setting, `unavailable` for a broker that does not respond, otherwise `failure`.
    package var category: ErrorCategory {
        switch self {
        case .invalidBrokerURL, .insecureBroker, .scannerNotSelected: .configuration
        case .deliveryIncomplete(_, _, .brokerTimeout): .unavailable
        case .folderMissing, .journalMissing, .journalUnreadable, .outputFolderMissing, .outputFull,
            .deliveryIncomplete:
            .failure
        }
    }

    /// `true` for a read or a delivery that a repetition may complete.
    package var isRetriable: Bool {
        switch self {
        case .journalUnreadable, .deliveryIncomplete: true
        case .invalidBrokerURL, .insecureBroker, .folderMissing, .journalMissing, .scannerNotSelected,
            .outputFolderMissing, .outputFull:
            false
        }
    }

    /// What was attempted, what is wrong, and what to do.
    package var description: String {
        switch self {
        case .invalidBrokerURL(let detail), .insecureBroker(let detail): detail
        case .folderMissing(let path): "\(path): no such folder"
        case .journalMissing(let folder): "\(folder): no gate has written a journal in this folder"
        case .scannerNotSelected(let folder, let scans):
            "several scanners have scans in \(folder), select one: "
                + scans.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value) scans)" }.joined(separator: ", ")
        case .journalUnreadable(let detail): "\(detail); try again"
        case .outputFolderMissing(let path): "\(path): no such folder (is the USB stick mounted?)"
        case .outputFull(let path, let files, let scans, let remaining):
            "\(path) is full: it holds \(files) complete files with \(scans) scans, and \(remaining) scans remain; "
                + "deliver these files, or free space and export again"
        case .deliveryIncomplete(let confirmed, let total, let failure):
            "\(confirmed) of \(total) scans are confirmed, and the delivery can be repeated: \(failure)"
        }
    }
}

extension UploadError.DeliveryFailure: CustomStringConvertible {
    /// The reason, to follow a colon.
    package var description: String {
        switch self {
        case .stopped: "stopped"
        case .journalGone(let journal): "the gate has pruned or replaced journal \(journal)"
        case .journalUnreadable(let detail): detail
        case .brokerTimeout(let seconds, let lastProblem):
            "no confirm from the broker for \(seconds) s (\(lastProblem ?? "no response"))"
        }
    }
}
