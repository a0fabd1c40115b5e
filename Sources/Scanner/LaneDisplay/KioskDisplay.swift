import AccessControl
import DataFolder
package import GateController
import LinuxSystem
package import Runtime
import ScanModel
import Snapshots

/// Writes the lane's updates for a kiosk program, as one JSON object per line on standard output.
///
/// A tap is `{"show":"answer",...}`. A tap that could not be journaled is `{"show":"failed","opens","reason",...}`. A
/// read without a tag is `{"show":"dropped",...}`. The idle screen is `{"show":"state",...}`, only when it has changed.
/// If the kiosk does not read, the oldest lines are dropped, and the gate can still stop.
package final class KioskDisplay: Sendable {
    private let updates = Mailbox<LaneUpdate>(capacity: 64)
    private let log = Log("kiosk")
    private let output: Terminal

    /// - Parameter descriptor: the pipe; standard output by default.
    package init(descriptor: Int32 = 1) { output = Terminal(descriptor: descriptor) }

    /// Receives an update of the lane. Does not wait.
    package func receive(_ update: LaneUpdate) { updates.push(update, isState: \.isState) }

    /// The writing loop, as a service of the daemon.
    package func service() -> Service {
        Service.thread("kiosk") { stop in
            var last: String?
            var isWorking = true
            while !stop.isStopped {
                _ = Poll.wait([self.updates.descriptor, stop.descriptor], timeoutMs: -1)
                for update in self.updates.drain() {
                    let line = KioskDisplay.line(update)
                    if case .state = update {
                        if line == last { continue }
                        last = line
                    }
                    do {
                        try self.output.write(line + "\n", timeoutMs: -1, until: stop)
                        isWorking = true
                    } catch {
                        if stop.isStopped { return }
                        // The gate continues without its kiosk.
                        if isWorking { self.log.error("kiosk output blocked", [.error: "\(error)"]) }
                        isWorking = false
                    }
                }
            }
        }
    }

    static func line(_ update: LaneUpdate) -> String {
        switch update {
        case .dropped(let reason): line(reason)
        case .failed(let failure, let opens): line(failure, opens)
        case .state(let state): line(state)
        case .verdict(let result): line(result)
        }
    }

    private static func line(_ reason: DroppedRead) -> String {
        var text = #"{"show":"dropped","green":false,"title":\#(title { DisplayWords.dropped($0) })"#
        text += #","text":\#(title { [DisplayWords.couldNotBeRead($0)] })"#
        return text + #","reason":\#(JSONText.quote(reason.description))}"#
    }

    private static func line(_ failure: TapFailure, _ opens: Bool) -> String {
        var text = #"{"show":"failed","green":\#(opens),"opens":\#(opens)"#
        text += #","title":\#(title { DisplayWords.failed(opens: opens, $0) })"#
        return text + #","reason":\#(JSONText.quote(failure.description))}"#
    }

    private static func title(_ words: (DisplayLanguage) -> [String]) -> String {
        func text(_ language: DisplayLanguage) -> String { JSONText.quote(words(language).joined(separator: " ")) }
        return #"{"en":\#(text(.en)),"ar":\#(text(.ar))}"#
    }

    private static func line(_ result: TapResult) -> String {
        let scan = result.scan
        var text = #"{"show":"answer","green":\#(result.isGreen),"log":"\#(result.journalID)","seq":\#(scan.seq)"#
        text += #","verdict":\#(scan.verdict.rawValue),"name":\#(JSONText.quote(scan.verdict.name))"#
        text += #","direction":"\#(result.direction.rawValue)","zone":\#(quoted(result.zone))"#
        text += #","title":\#(title { DisplayWords.title(result, $0) })"#
        if let pass = result.pass {
            text += #","pass":{"name":\#(quoted(pass.name)),"colour":\#(quoted(pass.colour))"#
            text += #","note":\#(quoted(pass.note))}"#
        }
        text += #","detail":\#(quoted(result.detail?.description)),"inside":\#(result.earlier?.json ?? "null")"#
        text += #","repeat":\#(result.isRepeat),"opens":\#(result.opens)"#
        return text + #","at":"\#(UTCTime.text(milliseconds: scan.atMs))"}"#
    }

    private static func line(_ state: LaneState) -> String {
        let readers = state.readers.map { reader in
            #"{"name":\#(JSONText.quote(reader.name)),"direction":"\#(reader.direction.rawValue)""#
                + #","problem":\#(quoted(reader.problem?.description))}"#
        }
        var text = #"{"show":"state","scanner":\#(JSONText.quote(state.scanner)),"gate":\#(quoted(state.gate))"#
        text += #","zone":\#(quoted(state.zone)),"mode":"\#(state.mode.rawValue)""#
        text += #","inspection":\#(state.isInspection),"readers":[\#(readers.joined(separator: ","))]"#
        text += #","turnstile_problem":\#(quoted(state.turnstileProblem?.description)),"snapshot":\#(state.snapshot)"#
        text += #","snapshot_created":\#(number(state.snapshotCreatedS))"#
        text += #","snapshot_expires":\#(number(state.snapshotExpiresS)),"backlog":\#(number(state.backlog))"#
        return text + #","alarms":[\#(state.alarms.map { JSONText.quote($0.description) }.joined(separator: ","))]}"#
    }

    private static func quoted(_ text: String?) -> String { text.map(JSONText.quote) ?? "null" }
    private static func number(_ value: Int64?) -> String { value.map { "\($0)" } ?? "null" }
}
