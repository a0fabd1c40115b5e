package import AMQP
package import DataFolder
import LinuxSystem
package import Runtime
package import ScanModel

/// Uploads the journals of one scanner to the broker. `PublishWindow` decides, this class performs the actions.
///
/// One thread owns the connection, the journal reader and the upload cursors. It sleeps in poll(2) over the socket and
/// the stop signal, and polls the journal, which another process writes. No failure of broker, network or journal ends
/// it: each is retried.
package final class Upload {
    /// Settings of an upload.
    package struct Settings: Sendable {
        /// The scanner's data folder.
        package var folder: String
        /// The scanner whose journals are uploaded.
        package var scanner: ScannerID
        /// Addresses of the brokers, tried in turn.
        var addresses: [AMQPAddress]
        /// Limits and time-outs of the publishing.
        package var limits = PublishWindow.Limits()
        /// The exchange to which batches are published.
        package var exchange = "tapline.scans"
        /// Interval of AMQP heartbeats proposed to the broker, in seconds.
        package var heartbeatS = 10
        /// Time limit of a TCP connect, in milliseconds. A stop takes effect within this time, name resolution
        /// excepted.
        package var connectTimeoutMs = 5_000
        /// Time limit of the AMQP handshake, and of each later response of the broker, in milliseconds.
        package var loginTimeoutMs = 20_000
        /// Interval at which the journal is polled, and maximum sleep on the socket.
        package var pollMs = 100
        /// Maximum time to wait for confirms after a stop.
        package var drainMs = 2_000
        /// Minimum interval between two writes of the upload cursors.
        package var cursorMs: Int64 = 100
        /// Whether each new connection is logged. Problems are always logged.
        package var logsConnections = true
        /// Seed of the jitter.
        package var seed = UInt64.random(in: 0 ... .max)

        /// - Parameters:
        ///   - folder: The scanner's data folder.
        ///   - scanner: The scanner whose journals are uploaded.
        ///   - urls: URLs of the brokers, at least one.
        ///   - security: certificates of the connections.
        /// - Throws: `UploadError.invalidBrokerURL` or `insecureBroker`.
        package init(
            folder: String, scanner: ScannerID, urls: [String], security: AMQPSecurity = AMQPSecurity()
        ) throws(UploadError) {
            self.init(folder: folder, scanner: scanner, addresses: try Settings.addresses(urls, security))
        }

        init(folder: String, scanner: ScannerID, addresses: [AMQPAddress]) {
            self.folder = folder
            self.scanner = scanner
            self.addresses = addresses
        }

        static func addresses(_ urls: [String], _ security: AMQPSecurity) throws(UploadError) -> [AMQPAddress] {
            var addresses: [AMQPAddress] = []
            for url in urls {
                do { addresses.append(try AMQPAddress(url: url, security: security)) } catch {
                    throw error.kind == .insecure
                        ? .insecureBroker(detail: error.description) : .invalidBrokerURL(detail: error.description)
                }
            }
            guard !addresses.isEmpty else { throw .invalidBrokerURL(detail: "no broker URL is given") }
            return addresses
        }
    }

    /// Stack of the thread that runs an upload, in bytes.
    package static let stackBytes = AMQPConnection.stackBytes

    let settings: Settings
    let status: PublisherStatus
    let log: Log
    /// The durable cursors, or `nil` if they belong to another process and do not change.
    private let cursors: UploadCursors?
    var tail: JournalTail
    var window: PublishWindow
    var connection: AMQPConnection?
    var connectedTo: AMQPAddress?
    /// Cursors that have moved and are not written yet.
    private var pendingCursors: [JournalID: Int64] = [:]
    private var cursorsSavedMs: Int64 = 0
    private(set) var confirmedUpTo: [JournalID: Int64]
    /// The reason why the last read of scans failed, or `nil` if it succeeded.
    var readProblem: String?
    var unacknowledgedBytes = 0
    var journalPolledMs: Int64?
    var knownForeign: Set<JournalID> = []
    var gate: GateStateTail
    /// Buffer of the encoded batch. It keeps its capacity.
    var body: [UInt8] = []
    /// The last problem logged, to rate-limit repeated messages while offline.
    private var lastProblem: (text: String, atMs: Int64) = ("", 0)

    /// Takes the publisher lock of the folder.
    ///
    /// - Throws: `FileLock.Held` when another publisher holds the lock, `DataFileError` when the upload cursors cannot
    ///   be opened.
    package convenience init(_ settings: Settings, _ status: PublisherStatus) throws {
        let cursors = try UploadCursors(folder: settings.folder)
        self.init(
            settings, status, JournalTail(folder: settings.folder, scanner: settings.scanner),
            confirmedUpTo: try cursors.all(), cursors)
    }

    /// - Parameter confirmedUpTo: The last seq of each journal that is not to be published.
    init(
        _ settings: Settings, _ status: PublisherStatus, _ tail: JournalTail, confirmedUpTo: [JournalID: Int64],
        _ cursors: UploadCursors? = nil
    ) {
        self.settings = settings
        self.status = status
        self.tail = tail
        self.confirmedUpTo = confirmedUpTo
        self.cursors = cursors
        gate = GateStateTail(folder: settings.folder)
        log = Log("upload", [.scanner: settings.scanner])
        window = PublishWindow(
            settings.limits, cursors: confirmedUpTo, seed: settings.seed, nowMs: SystemClock.monotonicMs())
    }

    /// Runs until the stop. Then waits for at most `drainMs` for confirms, and closes the connection.
    package func run(_ stop: StopSignal) {
        status.save(now: true)
        while !stop.isStopped { performStep(stop) }
        let deadlineMs = SystemClock.monotonicMs() + Int64(settings.drainMs)
        while let connection, window.inFlight > 0, !window.isBlocked, SystemClock.monotonicMs() < deadlineMs {
            if !connection.hasBufferedEvents { _ = Poll.wait([connection.descriptor], timeoutMs: 50) }
            receive()
        }
        saveCursors(now: true)
        connection?.close()
        connection = nil
        status.update { $0.upload.state = .stopped }
        status.save(now: true)
    }

    /// Performs the next action of the window, then handles all events of the broker.
    func performStep(_ stop: StopSignal) {
        pollJournal()
        switch window.next(nowMs: SystemClock.monotonicMs()) {
        case .connect(let number): connect(number, stop)
        case .openChannel: openChannel()
        case .publish(let slice): publish(slice, stop)
        case .heartbeat(let slice): publish(slice, stop)
        case .abandonConnection: dropConnection("publish stalled, reconnecting", "no confirms from the broker")
        case .wait(let ms): sleep(Int(min(ms, Int64(settings.pollMs))), stop)
        }
        receive()
        saveCursors()
        status.save()
    }

    func sleep(_ ms: Int, _ stop: StopSignal) {
        guard connection?.hasBufferedEvents != true else { return }
        let descriptors = [stop.descriptor] + (connection.map { [$0.descriptor] } ?? [])
        _ = Poll.wait(descriptors, timeoutMs: ms)
    }

    /// Writes the cursors that have moved. A failed write is retried. After a crash, scans beyond the written cursor
    /// are published again, and the center stores them once.
    private func saveCursors(now: Bool = false) {
        if window.hasAdvances {
            for (journal, seq) in window.takeAdvances() {
                status.confirmedScans.add(Int(seq - confirmedUpTo[journal, default: 0]))
                confirmedUpTo[journal] = seq
                if cursors != nil { pendingCursors[journal] = seq }
            }
        }
        guard let cursors, !pendingCursors.isEmpty else { return }
        let nowMs = SystemClock.monotonicMs()
        guard now || nowMs - cursorsSavedMs >= settings.cursorMs else { return }
        cursorsSavedMs = nowMs
        do {
            for (journal, seq) in pendingCursors {
                try cursors.advance(journal, scanner: settings.scanner, to: seq)
                pendingCursors[journal] = nil
            }
        } catch { reportProblem("upload cursor not saved, will retry", "\(error)") }
    }

    /// Stores a problem in the status, and logs it if it is new or an hour old.
    func reportProblem(_ message: StaticString, _ cause: String) {
        status.update { $0.upload.lastError = "\(message): \(cause)" }
        let (text, nowMs) = ("\(message)\(cause)", SystemClock.monotonicMs())
        guard text != lastProblem.text || nowMs - lastProblem.atMs >= 3_600_000 else { return }
        lastProblem = (text, nowMs)
        log.warning(message, [.error: cause])
    }

    /// Ends the suppression of repeated problems, after a success.
    func clearProblem() { lastProblem = ("", 0) }
}
