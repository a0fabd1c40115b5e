public import Runtime
public import Scans
internal import Serial

/// A 2D-barcode scanner: on a serial port, one code a line; as a keyboard (an input device of Linux, such as
/// `/dev/input/by-id/...-event-kbd`); or whatever writes lines into a named pipe. Which of them a path is shows when it is opened.
///
/// It keeps a thread of its own. When the port cannot be opened or hangs up it says `.lost` once, tries again with back-off, and
/// says `.back` when it can be read from, also at the start. A scanner that has nothing to say is silent, so one that is mute
/// cannot be told from one that waits.
public final class CodeReader: Sendable {
    /// Longest wait between two tries to open the port: a scanner plugged in again works within this.
    static let reopenLimitMs = 2_000
    /// Between two log lines about noise, however much there is.
    static let noiseLogMs: Int64 = 60_000

    /// How the bytes of the port are to be read.
    enum Mode: Sendable {
        case lines, keyEvents
        /// As the opened file says.
        case automatic
    }

    private let path: String
    private let baud: Int
    private let direction: Direction
    private let mode: Mode
    private let deliver: @Sendable (ReaderEvent) -> Void
    private let log: Log

    /// - Parameters:
    ///   - baud: of a serial port, 1200 to 115200; otherwise without meaning.
    ///   - direction: of the taps it reads.
    ///   - deliver: called on the reader's thread; it must not wait for long.
    public convenience init(
        path: String, baud: Int = 9_600, direction: Direction, deliver: @escaping @Sendable (ReaderEvent) -> Void
    ) {
        self.init(path: path, baud: baud, direction: direction, mode: .automatic, deliver: deliver)
    }

    init(
        path: String, baud: Int = 9_600, direction: Direction, mode: Mode,
        deliver: @escaping @Sendable (ReaderEvent) -> Void
    ) {
        (self.path, self.baud, self.direction, self.mode) = (path, baud, direction, mode)
        self.deliver = deliver
        log = Log("codes", [.reader: path])
    }

    public func service() -> Service {
        Service.thread("codes") { stop in self.run(stop) }
    }

    /// Until the stop, on the calling thread.
    func run(_ stop: StopSignal) {
        var backoff = Backoff(capMs: CodeReader.reopenLimitMs)
        var isLost = false
        while !stop.isStopped {
            do {
                let port = try SerialPort(path, baud: baud)
                isLost = false
                deliver(.back)
                try read(port, stop, &backoff)
            } catch {
                if !isLost {
                    log.warning("code reader lost", [.error: "\(error)"])
                    deliver(.lost(reason: "\(error)"))
                }
                isLost = true
                stop.wait(ms: backoff.nextDelayMs())
            }
        }
    }

    /// Until the stop. Throws `SystemError` when the port is gone.
    private func read(_ port: SerialPort, _ stop: StopSignal, _ backoff: inout Backoff) throws {
        var lines = CodeLines()
        var wedge: KeyboardWedge? = mode == .keyEvents || mode == .automatic && port.isKeyboard ? KeyboardWedge() : nil
        var logged = (rejected: 0, atMs: SystemClock.monotonicMs() - CodeReader.noiseLogMs)
        while true {
            _ = Poll.wait([port.descriptor, stop.descriptor], timeoutMs: -1)
            if stop.isStopped { return }
            let bytes = try port.read(timeoutMs: 0)
            let nowMs = SystemClock.monotonicMs()
            for code in lines.take(wedge?.take(bytes) ?? bytes, nowMs: nowMs) {
                // Only now: a port that opens and hangs up again and again is tried less and less often.
                backoff.reset()
                deliver(.tap(Tap(.code(code), proof: .code, direction: direction)))
            }
            if lines.rejected > logged.rejected, nowMs - logged.atMs >= CodeReader.noiseLogMs {
                log.warning("code reader: noise instead of codes", [.count: lines.rejected - logged.rejected])
                logged = (lines.rejected, nowMs)
            }
        }
    }
}
