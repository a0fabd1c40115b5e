import FileSystem
import FoundationEssentials
import Glibc
import LinuxSystem
package import Runtime
import Synchronization

/// Publisher status, updated by its threads and written to `publisher.json` for the `status` command.
package final class PublisherStatus: Sendable {
    /// State of the connection to the broker, as `publisher.json` names it.
    package enum UploadState: String, Codable, Sendable {
        /// No connection was attempted yet.
        case starting
        case connected
        /// The broker accepts no publishes at present, because of an alarm.
        case blocked
        /// There is no connection or no channel, and another attempt will follow.
        case waiting
        case stopped
        /// A state that a later version has written.
        case unknown

        /// Decodes a state; one that this version does not have is `unknown`, so that the rest of the file is usable.
        package init(from decoder: any Decoder) throws {
            self = UploadState(rawValue: try decoder.singleValueContainer().decode(String.self)) ?? .unknown
        }
    }

    /// The content of `publisher.json`.
    package struct Report: Codable, Sendable, Equatable {
        /// The upload of scans to the broker.
        package struct Upload: Codable, Sendable, Equatable {
            /// The state of the connection.
            package var state = UploadState.starting
            /// Address of the broker, `HOST:PORT`; `nil` without a connection.
            package var address: String?
            /// RFC 3339.
            package var since: String?
            /// Time of the last confirm, RFC 3339; `nil` before the first one.
            package var lastConfirmed: String?
            /// The last problem since upload cursors moved; `nil` if there was none.
            package var lastError: String?
            /// Current maximum number of scans in a batch.
            package var batchScans = 0
            /// Number of batches that are published and not confirmed.
            package var inFlight = 0
            /// Number of connections lost with scans unconfirmed.
            package var losses = 0
            /// Number of publishes that the broker rejected or returned.
            package var refusals = 0
            /// Other scanners with journals in this folder, which are not uploaded.
            package var foreign: [String] = []
        }
        /// State of the snapshot downloads. Times are RFC 3339.
        package struct Download: Codable, Sendable, Equatable {
            /// Time of the last check of the sources; `nil` before the first one.
            package var lastChecked: String?
            /// Version of the installed snapshot; `nil` without one.
            package var installed: Int64?
            /// `full` or `delta`: the form of the download.
            package var form: String?
            /// The newer version that is known, and the time of its download.
            package var due: String?
            /// The problem of the last check; `nil` if it had none.
            package var lastError: String?
        }
        /// Process ID of the publisher.
        package var pid: Int32
        /// ID of the scanner whose scans are uploaded.
        package var scanner: String
        /// Time of the start, RFC 3339.
        package var started: String
        /// The upload of scans.
        package var upload = Upload()
        /// The download of snapshots.
        package var download = Download()
    }

    /// Number of scans over which the upload cursors have moved.
    package let confirmedScans = Counter()
    /// Number of batches published with scans, repetitions included.
    package let publishedBatches = Counter()
    /// Size of all published batches and heartbeats together, in bytes.
    package let publishedBytes = Counter()
    /// Number of heartbeats published.
    package let heartbeats = Counter()
    /// Number of connections established to a broker.
    package let connects = Counter()

    /// `nil` if the file is not written.
    private let path: String?
    private struct State {
        var report: Report
        var savedMs: Int64 = 0
        var isSaved = false
    }
    private let state: Mutex<State>

    /// - Parameters:
    ///   - folder: the scanner's data folder.
    ///   - isKept: whether `publisher.json` is written there.
    package init(folder: String, scanner: String, isKept: Bool = true) {
        path = isKept ? DataFolderPaths.publisherState(folder) : nil
        let report = Report(pid: getpid(), scanner: scanner, started: PublisherStatus.now())
        state = Mutex(State(report: report))
    }

    /// Reads the file; `nil` if no publisher has run in this folder.
    package static func read(folder: String) -> Report? {
        guard let bytes = try? Files.read(DataFolderPaths.publisherState(folder), limit: 1 << 20) else { return nil }
        return try? JSONDecoder().decode(Report.self, from: Data(bytes))
    }

    /// Whether a publisher works on the folder: it holds the lock of the upload cursors.
    ///
    /// A process of the ID in `publisher.json` may be the publisher of another folder.
    package static func isRunning(folder: String) -> Bool {
        FileLock.isHeld(DataFolderPaths.publisherLock(folder))
    }

    /// The current report.
    package var report: Report { state.withLock { $0.report } }

    /// Changes the report. Thread-safe; `save` writes the change.
    package func update(_ change: (inout Report) -> Void) {
        state.withLock { state in
            let before = state.report
            change(&state.report)
            if state.report != before { state.isSaved = false }
        }
    }

    /// Writes the file if the report has changed, at most once per second. Write errors are ignored: the file is
    /// informational.
    ///
    /// - Parameter now: writes it in any case.
    package func save(now: Bool = false) {
        guard let path else { return }
        let nowMs = SystemClock.monotonicMs()
        let report: Report? = state.withLock { state in
            guard now || !state.isSaved && nowMs - state.savedMs >= 1_000 else { return nil }
            (state.isSaved, state.savedMs) = (true, nowMs)
            return state.report
        }
        guard let report else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        guard let bytes = try? encoder.encode(report) else { return }
        try? Files.writeAtomically(bytes, to: path, durable: false)
    }

    /// Returns the device clock as RFC 3339, for the times of the report.
    package static func now() -> String { UTCTime.text(microseconds: SystemClock.nowMicroseconds()) }
}
