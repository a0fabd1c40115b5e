internal import FoundationEssentials
internal import Glibc
public import Runtime
internal import Synchronization

/// How a publisher fares: told by its threads, kept in `DIR/publisher.json` for the `status` command, and counted.
public final class PublisherStatus: Sendable {
    /// What stands in `publisher.json`.
    public struct Report: Codable, Sendable, Equatable {
        public struct Upload: Codable, Sendable, Equatable {
            /// `starting`, `connected`, `blocked`, `waiting` (for the broker), `stopped`.
            public var state = "starting"
            public var address: String?
            /// RFC 3339.
            public var since: String?
            public var lastConfirmed: String?
            public var lastError: String?
            public var batchScans = 0
            public var inFlight = 0
            public var losses = 0
            public var refusals = 0
            /// Scanners whose journals lie here and are not shipped.
            public var foreign: [String] = []
        }
        public struct Download: Codable, Sendable, Equatable {
            public var lastChecked: String?
            public var installed: Int64?
            /// `full` or `delta`: as which it came.
            public var form: String?
            /// The newer version that is known, and when this scanner's turn to fetch it comes.
            public var due: String?
            public var lastError: String?
        }
        public var pid: Int32
        public var scanner: String
        public var started: String
        public var upload = Upload()
        public var download = Download()
    }

    /// Scans over which the cursors have moved.
    public let confirmedScans: Counter
    public let publishedBatches: Counter
    public let publishedBytes: Counter
    public let heartbeats: Counter
    public let connects: Counter

    /// Nil: nothing is written.
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
    public init(folder: String, scanner: String, metrics: Metrics = Metrics(), isKept: Bool = true) {
        path = isKept ? PublisherStatus.path(folder) : nil
        let report = Report(pid: getpid(), scanner: scanner, started: PublisherStatus.now())
        state = Mutex(State(report: report))
        confirmedScans = metrics.counter("tapline_publisher_confirmed_scans_total", "Scans confirmed by the broker.")
        publishedBatches = metrics.counter("tapline_publisher_batches_total", "Batches published, again or anew.")
        publishedBytes = metrics.counter("tapline_publisher_bytes_total", "Bytes of the batches published.")
        heartbeats = metrics.counter("tapline_publisher_heartbeats_total", "Heartbeats published.")
        connects = metrics.counter("tapline_publisher_connects_total", "Connections made to a broker.")
    }

    /// What a publisher last said; nil when none has run in this folder.
    public static func read(folder: String) -> Report? {
        guard let bytes = try? Files.read(path(folder), limit: 1 << 20) else { return nil }
        return try? JSONDecoder().decode(Report.self, from: Data(bytes))
    }

    /// The report as it is now.
    public var report: Report { state.withLock { $0.report } }

    func update(_ change: (inout Report) -> Void) {
        state.withLock { state in
            let before = state.report
            change(&state.report)
            if state.report != before { state.isSaved = false }
        }
    }

    /// Writes the file when something has changed, once a second at most; `now` writes it anyway. A disk that does not do
    /// is no reason to stop: this is for people to look at.
    func save(now: Bool = false) {
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

    static func now() -> String { UTCTime.text(microseconds: SystemClock.nowMicroseconds()) }
    private static func path(_ folder: String) -> String { folder + "/publisher.json" }
}
