import AMQP
import CLI
package import DataFolder
import FileSystem
import LinuxSystem
package import Runtime
import ScanBatchCodec
package import ScanModel

/// Ships one scanner's journals to the broker: the shell around `PublishWindow`.
///
/// One thread owns the connection, the journal's view and the cursor. It sleeps in poll(2) over the socket and the stop
/// signal; the journal, which another process writes, is looked at by time. No failure of broker, network or journal ends
/// it: each is "later".
package final class Upload {
    package struct Settings: Sendable {
        package var folder: String
        package var scanner: ScannerID
        /// Tried in turn.
        var addresses: [AMQPAddress]
        package var limits = PublishWindow.Limits()
        package var exchange = "tapline.scans"
        package var heartbeatS = 10
        /// With `StopSignal` in mind: name resolution apart, a stop is obeyed within this.
        package var connectTimeoutMs = 5_000
        package var loginTimeoutMs = 20_000
        /// How often the journal is looked at, and the most that the socket is slept on.
        package var tickMs = 100
        /// How long what is in flight is waited for at a stop.
        package var drainMs = 2_000
        /// The cursor is made durable this often at the most.
        package var cursorMs: Int64 = 100
        /// Whether each connection made is a line of the log; trouble always is.
        package var logsConnections = true
        /// Of the jitter.
        package var seed = UInt64.random(in: 0 ... .max)

        /// - Parameter urls: of the brokers, at least one. Throws `ProgramError` (configuration) for one that is none.
        package init(folder: String, scanner: ScannerID, urls: [String]) throws {
            self.init(folder: folder, scanner: scanner, addresses: try Settings.addresses(urls))
        }

        init(folder: String, scanner: ScannerID, addresses: [AMQPAddress]) {
            (self.folder, self.scanner, self.addresses) = (folder, scanner, addresses)
        }

        static func addresses(_ urls: [String]) throws -> [AMQPAddress] {
            guard !urls.isEmpty else { throw ProgramError.configuration("--amqp-url is needed") }
            do { return try urls.map { try AMQPAddress(url: $0) } } catch {
                throw ProgramError.configuration("--amqp-url: \(error)")
            }
        }
    }

    let settings: Settings
    let status: PublisherStatus
    let log: Log
    /// The durable cursor; nil: it is somebody else's, and stays as it is.
    private let shipped: UploadCursors?
    var view: JournalTail
    var window: PublishWindow
    var connection: AMQPConnection?
    var connectedTo: AMQPAddress?
    /// Cursors that have moved and are not on the disk yet.
    private var pendingCursors: [JournalID: Int64] = [:]
    private var cursorsSavedMs: Int64 = 0
    private(set) var confirmedUpTo: [JournalID: Int64]
    /// Why the last scans could not be read; nil: they could.
    var unreadable: String?
    var unacknowledgedBytes = 0
    var journalsSeenMs: Int64?
    var knownForeign: Set<JournalID> = []
    var gate: GateState?
    var gateMark: Files.Status?
    var body: [UInt8] = []
    /// The last trouble that was logged, so that a night without network is not a night of log lines.
    var logged: (text: String, atMs: Int64) = ("", 0)

    /// Takes the folder's publisher lock. Throws `ProgramError` (configuration) when another publisher holds it,
    /// `DataFileError` when the cursor cannot be opened.
    package convenience init(_ settings: Settings, _ status: PublisherStatus) throws {
        let shipped = try UploadCursors(folder: settings.folder)
        self.init(
            settings, status, JournalTail(folder: settings.folder, scanner: settings.scanner),
            confirmedUpTo: try shipped.all(), shipped)
    }

    /// - Parameter confirmedUpTo: the last seq of each journal that is not to be published.
    init(
        _ settings: Settings, _ status: PublisherStatus, _ view: JournalTail, confirmedUpTo: [JournalID: Int64],
        _ shipped: UploadCursors? = nil
    ) {
        (self.settings, self.status, self.view) = (settings, status, view)
        (self.confirmedUpTo, self.shipped) = (confirmedUpTo, shipped)
        log = Log("upload", [.scanner: settings.scanner])
        window = PublishWindow(
            settings.limits, shipped: confirmedUpTo, seed: settings.seed, nowMs: SystemClock.monotonicMs())
    }

    /// Runs until stopped; then waits a little for what is in flight, and says good-bye.
    package func run(_ stop: StopSignal) {
        status.save(now: true)
        while !stop.isStopped { turn(stop) }
        let deadlineMs = SystemClock.monotonicMs() + Int64(settings.drainMs)
        while let connection, window.inFlight > 0, !window.isBlocked, SystemClock.monotonicMs() < deadlineMs {
            _ = Poll.wait([connection.descriptor], timeoutMs: 50)
            receive()
        }
        saveCursors(now: true)
        connection?.close()
        connection = nil
        status.update { $0.upload.state = "stopped" }
        status.save(now: true)
    }

    /// One decision, carried out, and whatever the broker has said meanwhile.
    func turn(_ stop: StopSignal) {
        lookAtJournal()
        switch window.next(nowMs: SystemClock.monotonicMs()) {
        case .connect(let number): connect(number, stop)
        case .openChannel: openChannel()
        case .publish(let slice): publish(slice, stop)
        case .heartbeat(let slice): publish(slice, stop)
        case .giveUpConnection: lose("no progress: the broker confirms nothing")
        case .wait(let ms): sleep(Int(min(ms, Int64(settings.tickMs))), stop)
        }
        receive()
        saveCursors()
        status.save()
    }

    func sleep(_ ms: Int, _ stop: StopSignal) {
        let descriptors = [stop.descriptor] + (connection.map { [$0.descriptor] } ?? [])
        _ = Poll.wait(descriptors, timeoutMs: ms)
    }

    /// Moves the durable cursor. A disk that cannot take it is asked again; what is published twice meanwhile is stored
    /// once.
    private func saveCursors(now: Bool = false) {
        if window.hasAdvances {
            for (log, seq) in window.takeAdvances() {
                status.confirmedScans.add(Int(seq - confirmedUpTo[log, default: 0]))
                confirmedUpTo[log] = seq
                if shipped != nil { pendingCursors[log] = seq }
            }
        }
        guard let shipped, !pendingCursors.isEmpty else { return }
        let nowMs = SystemClock.monotonicMs()
        guard now || nowMs - cursorsSavedMs >= settings.cursorMs else { return }
        cursorsSavedMs = nowMs
        do {
            for (log, seq) in pendingCursors {
                try shipped.advance(log, scanner: settings.scanner, to: seq)
                pendingCursors[log] = nil
            }
        } catch { trouble("the cursor cannot be saved", error) }
    }

    /// Logs a trouble once, and again when it is another or an hour old; keeps it in the status.
    func trouble(_ message: StaticString, _ cause: any Error) { trouble(message, "\(cause)") }

    func trouble(_ message: StaticString, _ cause: String) {
        status.update { $0.upload.lastError = "\(message): \(cause)" }
        let (text, nowMs) = ("\(message)\(cause)", SystemClock.monotonicMs())
        guard text != logged.text || nowMs - logged.atMs >= 3_600_000 else { return }
        logged = (text, nowMs)
        log.warning(message, [.error: cause])
    }
}
