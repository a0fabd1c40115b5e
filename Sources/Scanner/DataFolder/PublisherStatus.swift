import FileSystem
import FoundationEssentials
import Glibc
import LinuxSystem
package import Runtime
import Synchronization

/// Publisher status, updated by its threads and written to `publisher.json` for the `status` command.
package final class PublisherStatus: Sendable {
    /// The content of `publisher.json`.
    package struct Report: Codable, Sendable, Equatable {
        /// State of the connection to the broker.
        package struct Upload: Codable, Sendable, Equatable {
            /// `starting`, `connected`, `blocked`, `waiting` (for the broker), `stopped`.
            package var state = "starting"
            package var address: String?
            /// RFC 3339.
            package var since: String?
            package var lastConfirmed: String?
            package var lastError: String?
            package var batchScans = 0
            package var inFlight = 0
            package var losses = 0
            package var refusals = 0
            /// Other scanners with journals in this folder, which are not uploaded.
            package var foreign: [String] = []
        }
        /// State of the snapshot downloads. Times are RFC 3339.
        package struct Download: Codable, Sendable, Equatable {
            package var lastChecked: String?
            package var installed: Int64?
            /// `full` or `delta`: the form of the download.
            package var form: String?
            /// The newer version that is known, and the time of its download.
            package var due: String?
            package var lastError: String?
        }
        package var pid: Int32
        package var scanner: String
        package var started: String
        package var upload = Upload()
        package var download = Download()
    }

    /// Number of scans over which the upload cursors have moved.
    package let confirmedScans = Counter()
    package let publishedBatches = Counter()
    package let publishedBytes = Counter()
    package let heartbeats = Counter()
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
        path = isKept ? PublisherStatus.path(folder) : nil
        let report = Report(pid: getpid(), scanner: scanner, started: PublisherStatus.now())
        state = Mutex(State(report: report))
    }

    /// Reads the file; `nil` if no publisher has run in this folder.
    package static func read(folder: String) -> Report? {
        guard let bytes = try? Files.read(path(folder), limit: 1 << 20) else { return nil }
        return try? JSONDecoder().decode(Report.self, from: Data(bytes))
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

    package static func now() -> String { UTCTime.text(microseconds: SystemClock.nowMicroseconds()) }
    private static func path(_ folder: String) -> String { folder + "/publisher.json" }
}
