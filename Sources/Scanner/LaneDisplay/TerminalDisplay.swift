package import GateController
import LinuxSystem
package import Runtime
import ScanModel

/// The screen of the lane on a terminal: each verdict fills it in green or red, with a shape, the reason and a sound.
///
/// Between taps it is an idle screen. Big words are drawn with block characters, Arabic as well, so the terminal needs
/// only 256 colours. A slow or stopped terminal never delays the lane.
package final class TerminalDisplay: Sendable {
    private let language: DisplayLanguage
    private let terminal: Terminal
    private let updates = Mailbox<LaneUpdate>(capacity: 64)
    private let log = Log("display")

    /// Duration of a green verdict in milliseconds; the next tap ends it.
    static let greenMs: Int64 = 2_500
    /// Duration of a rejection in milliseconds: it must be read and discussed.
    static let redMs: Int64 = 4_000
    /// Duration in milliseconds for which a verdict is not replaced by a dropped read.
    static let verdictMs: Int64 = 1_000
    /// Interval of the bells in milliseconds: one for green, two for annulled, three for red.
    static let bellGapMs: Int64 = 180
    /// Interval of the clock on the idle screen, in milliseconds.
    static let idleMs: Int64 = 1_000
    /// Used if the terminal does not know its size.
    static let defaultSize = (rows: 24, columns: 80)

    /// - Parameters:
    ///   - language: the language of the words.
    ///   - descriptor: the terminal; standard output by default.
    package init(language: DisplayLanguage = .en, descriptor: Int32 = 1) {
        self.language = language
        terminal = Terminal(descriptor: descriptor)
    }

    /// Receives an update of the lane. Does not wait.
    package func receive(_ update: LaneUpdate) { updates.push(update, isState: \.isState) }

    /// The drawing loop, as a service of the daemon.
    package func service() -> Service { Service.thread("display") { stop in self.run(until: stop) } }

    /// The state of the drawing thread.
    private struct Shown {
        var state = LaneState()
        /// The verdict or failure on the screen; `nil` for the idle screen.
        var update: LaneUpdate?
        var untilMs = Int64.min
        /// Until then, a dropped read waits: the end of a code may follow its verdict.
        var protectedMs = Int64.min
        /// A dropped read that waits.
        var waiting: LaneUpdate?
        var bells = 0
        var nextBellMs = Int64.min
        var painted: DisplayScreen?

        mutating func start(_ update: LaneUpdate, bells: Int, nowMs: Int64) {
            self.update = update
            waiting = nil
            self.bells = bells
            nextBellMs = nowMs
        }
    }

    private func run(until stop: StopSignal) {
        // Alternate screen, without cursor and line wrap. The previous screen is restored at the end.
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
                // A screen that was not written completely is painted completely the next time.
                shown.painted = isWorking ? screen : nil
            }
            var wake = now + TerminalDisplay.idleMs
            if shown.update != nil { wake = min(wake, shown.untilMs) }
            if shown.waiting != nil { wake = min(wake, shown.protectedMs) }
            if shown.bells > 0 { wake = min(wake, shown.nextBellMs) }
            _ = Poll.wait(
                [updates.descriptor, stop.descriptor],
                timeoutMs: Int(max(0, wake - SystemClock.monotonicMs())))
        }
        _ = write("\u{1b}[0m\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l", isWorking: isWorking)
    }

    /// Applies the updates of the lane and returns the present screen.
    private func update(_ shown: inout Shown, nowMs: Int64) -> DisplayScreen {
        for update in updates.drain() {
            switch update {
            case .state(let state): shown.state = state
            case .verdict(let result):
                let bells = result.isGreen ? 1 : result.scan.verdict == .annulled ? 2 : 3
                shown.start(update, bells: bells, nowMs: nowMs)
                shown.untilMs = nowMs + (result.isGreen ? TerminalDisplay.greenMs : TerminalDisplay.redMs)
                shown.protectedMs = nowMs + TerminalDisplay.verdictMs
            case .dropped: shown.waiting = update
            case .failed(_, let opens):
                shown.start(update, bells: opens ? 1 : 3, nowMs: nowMs)
                // Also if it opens, because the crew must read the reason.
                shown.untilMs = nowMs + TerminalDisplay.redMs
                shown.protectedMs = nowMs + TerminalDisplay.verdictMs
            }
        }
        if let dropped = shown.waiting, nowMs >= shown.protectedMs {
            shown.start(dropped, bells: 2, nowMs: nowMs)
            shown.untilMs = nowMs + TerminalDisplay.greenMs
        }
        if shown.update != nil && nowMs >= shown.untilMs { shown.update = nil }
        let size = terminal.size ?? TerminalDisplay.defaultSize
        let layout = DisplayLayout(rows: size.rows, columns: size.columns, language: language)
        switch shown.update {
        case .verdict(let result): return layout.verdict(result)
        case .dropped(let reason): return layout.dropped(reason)
        case .failed(let failure, let opens): return layout.failed(failure, opens: opens)
        case .state, nil: return layout.idle(shown.state, nowS: SystemClock.nowMicroseconds() / 1_000_000)
        }
    }

    /// Writes to the terminal and logs the first failure.
    ///
    /// - Returns: `false` if the terminal did not accept all.
    private func write(_ text: String, isWorking: Bool) -> Bool {
        do {
            try terminal.write(text)
            return true
        } catch {
            if isWorking { log.error("terminal cannot be written", [.error: "\(error)"]) }
            return false
        }
    }
}
