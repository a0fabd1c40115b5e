import LinuxSystem
package import Runtime
package import ScanModel
import SerialPorts

/// A 2D-barcode scanner: on a serial port, one code a line; as a keyboard (an input device of Linux, such as
/// `/dev/input/by-id/...-event-kbd`); or whatever writes lines into a named pipe. Which of them a path is shows when it is opened.
///
/// It keeps a thread of its own. When the port cannot be opened or hangs up it says `.lost` once, tries again with back-off, and
/// says `.back` when it has stayed open for a moment or has given a code, also at the start. A scanner that has nothing to say is
/// silent, so one that is mute cannot be told from one that waits.
package final class CodeReader: Sendable {
    /// Longest wait between two tries to open the port: a scanner plugged in again works within this.
    static let reopenLimitMs = 2_000
    /// A port that stays open for so long, or gives a code, works; a broken one hangs up at once, again and again.
    static let settledMs: Int64 = 1_000
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
    private let settledMs: Int64
    private let deliver: @Sendable (ReaderEvent) -> Bool
    private let log: Log
    private let health: ReaderHealth

    /// - Parameters:
    ///   - baud: of a serial port, 1200 to 115200; otherwise without meaning.
    ///   - direction: of the taps it reads.
    ///   - deliver: called on the reader's thread; must not wait. False: it could not take the event. `lost` and `back` then come
    ///     again, a code does not.
    package convenience init(
        path: String, baud: Int = 9_600, direction: Direction, deliver: @escaping @Sendable (ReaderEvent) -> Bool
    ) {
        self.init(path: path, baud: baud, direction: direction, mode: .automatic, deliver: deliver)
    }

    init(
        path: String, baud: Int = 9_600, direction: Direction, mode: Mode, settledMs: Int64 = CodeReader.settledMs,
        deliver: @escaping @Sendable (ReaderEvent) -> Bool
    ) {
        (self.path, self.baud, self.direction, self.mode) = (path, baud, direction, mode)
        (self.settledMs, self.deliver) = (settledMs, deliver)
        log = Log("codes", [.reader: path])
        health = ReaderHealth(log: log, deliver: deliver)
    }

    package func service() -> Service {
        Service.thread("codes") { stop in self.run(stop) }
    }

    /// Until the stop, on the calling thread.
    func run(_ stop: StopSignal) {
        var backoff = Backoff(capMs: CodeReader.reopenLimitMs)
        while !stop.isStopped {
            do {
                try read(try SerialPort(path, baud: baud), stop) { backoff.reset() }
            } catch {
                health.lost(ReaderProblem(error))
                stop.wait(ms: backoff.nextDelayMs())
            }
        }
    }

    /// Until the stop. Throws `SystemError` when the port is gone.
    private func read(_ port: SerialPort, _ stop: StopSignal, worked: () -> Void) throws {
        var lines = CodeLines()
        var wedge: KeyboardWedge? = mode == .keyEvents || mode == .automatic && port.isKeyboard ? KeyboardWedge() : nil
        let openedMs = SystemClock.monotonicMs()
        var logged = (rejected: 0, atMs: openedMs - CodeReader.noiseLogMs)
        var timeoutMs = Int(settledMs)
        while true {
            _ = Poll.wait([port.descriptor, stop.descriptor], timeoutMs: timeoutMs)
            if stop.isStopped { return }
            let bytes = try port.read(timeoutMs: 0)
            let nowMs = SystemClock.monotonicMs()
            let codes = lines.take(wedge?.take(bytes) ?? bytes, nowMs: nowMs)
            if !codes.isEmpty || nowMs - openedMs >= settledMs {
                worked()
                health.back()
                timeoutMs = health.tellAgain() ? -1 : ReaderHealth.tellAgainMs
            }
            for code in codes { _ = deliver(.tap(Tap(.code(code), proof: .code, direction: direction))) }
            if lines.rejected > logged.rejected, nowMs - logged.atMs >= CodeReader.noiseLogMs {
                log.warning("code reader: noise instead of codes", [.count: lines.rejected - logged.rejected])
                logged = (lines.rejected, nowMs)
            }
        }
    }
}
