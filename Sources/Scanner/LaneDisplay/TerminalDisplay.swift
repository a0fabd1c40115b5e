package import GateController
import LinuxSystem
package import Runtime
import ScanModel

/// The screen at the lane, on a terminal: full-screen green or red with a shape, the reason and a sound of their own, and between
/// taps an idle screen. Big words are drawn of blocks, Arabic as well, so they need nothing of the terminal but 256 colours.
///
/// A screen that is slow, stopped or gone keeps nobody: the lane posts and goes on.
package final class TerminalDisplay: Sendable {
    private let language: DisplayLanguage
    private let terminal: Terminal
    private let notices = Mailbox<LaneUpdate>(capacity: 64)
    private let log = Log("display")

    /// A green answer stays this long, unless another tap comes: the next person is already there.
    static let greenMs: Int64 = 2_500
    /// A refusal is read, and talked about.
    static let redMs: Int64 = 4_000
    /// Bells after the first, which tell green (one), annulled (two) and red (three) apart with the eyes closed.
    static let bellGapMs: Int64 = 180
    /// The clock of the idle screen is right within this.
    static let idleMs: Int64 = 1_000
    /// Used where the terminal does not know its size.
    static let usualSize = (rows: 24, columns: 80)

    /// - Parameter descriptor: of the terminal; standard output unless told otherwise.
    package init(language: DisplayLanguage = .en, descriptor: Int32 = 1) {
        self.language = language
        terminal = Terminal(descriptor: descriptor)
    }

    /// From the lane, which does not wait.
    package func take(_ notice: LaneUpdate) { notices.push(notice) }

    package func service() -> Service { Service.thread("display") { stop in self.run(until: stop) } }

    /// What the thread knows.
    private struct Shown {
        var state = LaneState()
        /// The answer or failure on the screen; nil: idle.
        var notice: LaneUpdate?
        var untilMs = Int64.min
        var bells = 0
        var nextBellMs = Int64.min
        var painted: DisplayScreen?
    }

    private func run(until stop: StopSignal) {
        // The screen of before comes back at the end; no cursor between; no line wraps.
        var isWorking = write("\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[2J", isWorking: true)
        var shown = Shown()
        while !stop.isStopped {
            let now = SystemClock.monotonicMs()
            let screen = update(&shown, nowMs: now)
            var text = ""
            if screen != shown.painted { text = screen.paint }
            if shown.bells > 0 && now >= shown.nextBellMs {
                text += "\u{7}"
                (shown.bells, shown.nextBellMs) = (shown.bells - 1, now + TerminalDisplay.bellGapMs)
            }
            if !text.isEmpty {
                isWorking = write(text, isWorking: isWorking)
                // What did not get through whole is painted whole the next time.
                shown.painted = isWorking ? screen : nil
            }
            var wake = now + TerminalDisplay.idleMs
            if shown.notice != nil { wake = min(wake, shown.untilMs) }
            if shown.bells > 0 { wake = min(wake, shown.nextBellMs) }
            _ = Poll.wait(
                [notices.descriptor, stop.descriptor],
                timeoutMs: Int(max(0, wake - SystemClock.monotonicMs())))
        }
        _ = write("\u{1b}[0m\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l", isWorking: isWorking)
    }

    /// Takes what the lane has posted and gives the screen of this moment.
    private func update(_ shown: inout Shown, nowMs: Int64) -> DisplayScreen {
        for notice in notices.drain() {
            switch notice {
            case .state(let state): shown.state = state
            case .answer(let signal):
                let bells = signal.isGreen ? 1 : signal.scan.verdict == .annulled ? 2 : 3
                (shown.notice, shown.bells, shown.nextBellMs) = (notice, bells, nowMs)
                shown.untilMs = nowMs + (signal.isGreen ? TerminalDisplay.greenMs : TerminalDisplay.redMs)
            case .failed(_, let opens):
                (shown.notice, shown.bells, shown.nextBellMs) = (notice, opens ? 1 : 3, nowMs)
                // Also where it opens: the crew reads why.
                shown.untilMs = nowMs + TerminalDisplay.redMs
            }
        }
        if shown.notice != nil && nowMs >= shown.untilMs { shown.notice = nil }
        let size = terminal.size ?? TerminalDisplay.usualSize
        let layout = DisplayLayout(rows: size.rows, columns: size.columns, language: language)
        switch shown.notice {
        case .answer(let signal): return layout.answer(signal)
        case .failed(let reason, let opens): return layout.failed(reason, opens: opens)
        case .state, nil: return layout.idle(shown.state, nowS: SystemClock.nowMicroseconds() / 1_000_000)
        }
    }

    /// False when the screen did not take it; said once in the log.
    private func write(_ text: String, isWorking: Bool) -> Bool {
        do {
            try terminal.write(text)
            return true
        } catch {
            if isWorking { log.error("the screen does not work", [.error: "\(error)"]) }
            return false
        }
    }
}
