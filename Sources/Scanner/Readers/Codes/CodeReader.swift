import LinuxSystem
package import Runtime
package import ScanModel
import SerialPorts

/// A scanner of 2D bar codes, with a separate thread.
///
/// The path is a serial port or a named pipe with one code a line, or a keyboard. A keyboard is an input device of
/// Linux such as `/dev/input/by-id/...-event-kbd`. The kind is detected when the path is opened. A showing gives one
/// code at most, `CodeLines.showingMs` after its end.
///
/// When the port cannot be opened or hangs up, the reader reports `.lost` once and tries again with back-off. It
/// reports `.back` when the port has stayed open for a moment or has delivered a code. This holds also at the start. A
/// scanner without codes is silent, so a broken one cannot be detected.
package final class CodeReader: Sendable {
    /// Maximum wait between two attempts to open the port, in milliseconds. A scanner that is connected again works
    /// within this time.
    static let reopenLimitMs = 2_000
    /// A port that stays open for this time works, in milliseconds. A broken one hangs up at once.
    static let settledMs: Int64 = 1_000
    /// Minimum interval between two reports of dropped lines, in milliseconds. Noise must not keep the lane busy.
    static let dropReportMs: Int64 = 250

    /// The format of the bytes of the port.
    enum Mode: Sendable {
        case lines, keyEvents
        /// By the kind of the opened file.
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
    ///   - path: The path of the port.
    ///   - baud: The speed of a serial port, 1200 to 115200. Ignored for other paths.
    ///   - direction: The direction of the taps.
    ///   - deliver: Called on the reader's thread. It must not wait. If it returns `false`, `lost`, `back` and `dropped`
    ///     are repeated, and a code is dropped.
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

    /// The service that runs the reader on a new thread.
    package func service() -> Service {
        Service.thread("codes") { stop in self.run(stop) }
    }

    /// Runs until the stop on the calling thread.
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

    /// Reads until the stop.
    ///
    /// - Throws: `SystemError` when the port is gone.
    private func read(_ port: SerialPort, _ stop: StopSignal, worked: () -> Void) throws {
        var lines = CodeLines()
        var wedge: KeyboardWedge? = mode == .keyEvents || mode == .automatic && port.isKeyboard ? KeyboardWedge() : nil
        let openedMs = SystemClock.monotonicMs()
        var reported = (rejected: 0, atMs: openedMs - CodeReader.dropReportMs)
        var timeoutMs = Int(settledMs)
        while true {
            // A showing ends, an incomplete line is dropped, and what was dropped is reported, although nothing arrives.
            let waitsMs = [
                timeoutMs, lines.dueMs.map { Int(max(0, $0 - SystemClock.monotonicMs())) } ?? -1,
                lines.rejected > reported.rejected ? Int(CodeReader.dropReportMs) : -1,
            ]
            let waitMs = waitsMs.filter { $0 >= 0 }.min() ?? -1
            _ = Poll.wait([port.descriptor, stop.descriptor], timeoutMs: waitMs)
            if stop.isStopped { return }
            let bytes = try port.read(timeoutMs: 0)
            let nowMs = SystemClock.monotonicMs()
            let code = lines.take(wedge?.take(bytes) ?? bytes, nowMs: nowMs)
            if code != nil || nowMs - openedMs >= settledMs {
                worked()
                health.back()
                timeoutMs = health.resend() ? -1 : ReaderHealth.resendMs
            }
            // Before the code, whose verdict is shown last.
            let count = lines.rejected - reported.rejected
            if count > 0, let fault = lines.lastFault, nowMs - reported.atMs >= CodeReader.dropReportMs,
                deliver(.dropped(fault, count: count))
            {
                reported = (lines.rejected, nowMs)
            }
            if let code { _ = deliver(.tap(Tap(.code(code), proof: .code, direction: direction))) }
        }
    }
}
