import Runtime
import ScanModel

/// Sends verdicts to displays and turnstile, and writes verdict lines.
final class VerdictOutput {
    private let format: VerdictLine.Format
    private let writeVerdict: (String) throws -> Void
    private let log: Log
    /// Sends an update to displays and turnstile. Does not wait.
    let notify: (LaneUpdate) -> Void

    init(
        format: VerdictLine.Format, writeVerdict: @escaping (String) throws -> Void,
        notify: @escaping (LaneUpdate) -> Void, log: Log
    ) {
        self.format = format
        self.writeVerdict = writeVerdict
        self.notify = notify
        self.log = log
    }

    /// Shows a verdict. The line comes last, because its reader may be slow.
    func show(_ result: TapResult) {
        notify(.verdict(result))
        var line = VerdictLine(
            journalID: result.journalID, scan: result.scan, zone: result.zone, pass: result.pass,
            earlier: result.earlier)
        if case .unreadable(let reason) = result.detail { line.unreadable = reason }
        emit(line.text(format))
    }

    /// Shows a tap that could not be journaled.
    ///
    /// Format `json` gets no line, because programs receive only what is in the journal.
    func showFailure(_ failure: TapFailure, opens: Bool) {
        notify(.failed(failure, opens: opens))
        guard format == .text else { return }
        emit("\(opens ? "OPENED" : "REJECTED"): the tap could not be journaled (\(failure))")
    }

    /// Shows a read that was dropped. Format `json` gets no line, because programs receive only what is in the journal.
    func showDropped(_ reason: DroppedRead) {
        notify(.dropped(reason))
        guard format == .text else { return }
        emit("NOT READ: \(VerdictLine.couldNotBeRead(reason))")
    }

    /// Writes one line. An error is logged and changes nothing, because the tap is in the journal.
    private func emit(_ line: String) {
        do { try writeVerdict(line) } catch { log.error("verdict line not written", [.error: "\(error)"]) }
    }
}
