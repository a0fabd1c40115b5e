import AccessControl
import DataFolder
package import GateController
import LinuxSystem
package import Runtime
import ScanModel
import Snapshots

/// What the lane shows, as one JSON object a line on standard output, for a kiosk's own screen.
///
/// `{"show":"answer",...}` for a tap, `{"show":"failed","opens","reason",...}` when one could not be logged,
/// `{"show":"state",...}` for the idle screen, only when it has changed. A kiosk that does not read loses the oldest lines it
/// has not read, never the newest, and keeps nobody from stopping.
package final class KioskDisplay: Sendable {
    private let notices = Mailbox<LaneUpdate>(capacity: 64)
    private let log = Log("kiosk")
    private let output: Terminal

    /// - Parameter descriptor: of the pipe; standard output unless told otherwise.
    package init(descriptor: Int32 = 1) { output = Terminal(descriptor: descriptor) }

    /// From the lane, which does not wait.
    package func take(_ notice: LaneUpdate) { notices.push(notice) }

    package func service() -> Service {
        Service.thread("kiosk") { stop in
            var last: String?
            var isWorking = true
            while !stop.isStopped {
                _ = Poll.wait([self.notices.descriptor, stop.descriptor], timeoutMs: -1)
                for notice in self.notices.drain() {
                    let line = KioskDisplay.line(notice)
                    if case .state = notice {
                        if line == last { continue }
                        last = line
                    }
                    do {
                        try self.output.write(line + "\n", timeoutMs: -1, until: stop)
                        isWorking = true
                    } catch {
                        if stop.isStopped { return }
                        // A kiosk that is gone is no reason to end the gate.
                        if isWorking { self.log.error("nobody reads the kiosk's lines", [.error: "\(error)"]) }
                        isWorking = false
                    }
                }
            }
        }
    }

    static func line(_ notice: LaneUpdate) -> String {
        switch notice {
        case .failed(let reason, let opens): line(reason, opens)
        case .state(let state): line(state)
        case .answer(let signal): line(signal)
        }
    }

    private static func line(_ reason: String, _ opens: Bool) -> String {
        var text = #"{"show":"failed","green":\#(opens),"opens":\#(opens)"#
        text += #","title":\#(title { DisplayWords.failed(opens: opens, $0) })"#
        return text + #","reason":\#(JSONText.quote(reason))}"#
    }

    private static func title(_ words: (DisplayLanguage) -> [String]) -> String {
        func text(_ language: DisplayLanguage) -> String { JSONText.quote(words(language).joined(separator: " ")) }
        return #"{"en":\#(text(.en)),"ar":\#(text(.ar))}"#
    }

    private static func line(_ signal: TapResult) -> String {
        let scan = signal.scan
        var text = #"{"show":"answer","green":\#(signal.isGreen),"log":"\#(signal.log)","seq":\#(scan.seq)"#
        text += #","verdict":\#(scan.verdict.rawValue),"name":\#(JSONText.quote(scan.verdict.name))"#
        text += #","direction":"\#(signal.direction.rawValue)","zone":\#(quoted(signal.zone))"#
        text += #","title":\#(title { DisplayWords.title(signal, $0) })"#
        if let pass = signal.pass {
            text += #","pass":{"name":\#(quoted(pass.name)),"colour":\#(quoted(pass.colour))"#
            text += #","note":\#(quoted(pass.note))}"#
        }
        text += #","detail":\#(quoted(signal.detail)),"repeat":\#(signal.isRepeat),"opens":\#(signal.opens)"#
        return text + #","at":"\#(UTCTime.text(microseconds: scan.atMs * 1_000))"}"#
    }

    private static func line(_ state: LaneState) -> String {
        let readers = state.readers.map {
            #"{"name":\#(JSONText.quote($0.name)),"direction":"\#($0.direction)","problem":\#(quoted($0.problem))}"#
        }
        var text = #"{"show":"state","scanner":\#(JSONText.quote(state.scanner)),"gate":\#(quoted(state.gate))"#
        text += #","zone":\#(quoted(state.zone)),"mode":"\#(state.mode.rawValue)""#
        text += #","inspection":\#(state.isInspection),"readers":[\#(readers.joined(separator: ","))]"#
        text += #","turnstile_problem":\#(quoted(state.turnstileProblem)),"snapshot":\#(state.snapshot)"#
        text += #","snapshot_created":\#(number(state.snapshotCreatedS))"#
        text += #","snapshot_expires":\#(number(state.snapshotExpiresS)),"backlog":\#(number(state.backlog))"#
        return text + #","alarms":[\#(state.alarms.map(JSONText.quote).joined(separator: ","))]}"#
    }

    private static func quoted(_ text: String?) -> String { text.map(JSONText.quote) ?? "null" }
    private static func number(_ value: Int64?) -> String { value.map { "\($0)" } ?? "null" }
}
