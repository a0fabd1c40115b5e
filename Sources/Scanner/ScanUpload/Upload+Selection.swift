import AMQP
import CLI
import DataFolder
import LinuxSystem
import Runtime
import ScanModel

/// What was delivered of a consignment.
struct Delivered {
    /// Scans that the broker has confirmed.
    var scans: Int64 = 0
    /// Scans that do not exist in a recovered journal, between others that do.
    var missing: Int64 = 0
}

/// One consignment to the broker, beside a publisher that runs or without one: its cursor is neither asked nor moved.
extension Upload {
    /// How often it is logged how far it is.
    private static let tellMs: Int64 = 5_000

    /// - Parameter patienceMs: as for `deliver`: no single step takes longer.
    convenience init(_ consignment: JournalSelection, _ addresses: [AMQPAddress], patienceMs: Int64) {
        var settings = Settings(folder: consignment.folder, scanner: consignment.scanner, addresses: addresses)
        // Nothing is waited for, and nobody lives there who could say so.
        (settings.limits.ageMs, settings.limits.sendsHeartbeats) = (0, false)
        settings.connectTimeoutMs = min(settings.connectTimeoutMs, Int(patienceMs))
        settings.loginTimeoutMs = min(settings.loginTimeoutMs, Int(patienceMs))
        settings.logsConnections = false
        func bySeq(_ seq: KeyPath<JournalSelection.Part, Int64>) -> [JournalID: Int64] {
            Dictionary(consignment.parts.map { ($0.log, $0[keyPath: seq]) }) { first, _ in first }
        }
        self.init(
            settings,
            PublisherStatus(folder: consignment.folder, scanner: consignment.scanner.text, isKept: false),
            JournalTail(folder: consignment.folder, scanner: consignment.scanner, ends: bySeq(\.last)),
            confirmedUpTo: bySeq(\.after))
    }

    /// Publishes until all of it is confirmed.
    ///
    /// Throws `ProgramError`: unreachable when the broker has confirmed nothing for `patienceMs`, failed when the journal
    /// could not be read for so long, has vanished, or `stop` was told.
    func deliver(_ consignment: JournalSelection, patienceMs: Int64, _ stop: StopSignal) throws -> Delivered {
        var delivered = Delivered()
        let startMs = SystemClock.monotonicMs()
        var (progressMs, toldMs) = (startMs, startMs)
        defer {
            connection?.close()
            connection = nil
        }
        while true {
            func notAll(_ cause: String) -> String {
                "\(delivered.scans) of \(consignment.scans) scans are confirmed; again from the start is harmless: \(cause)"
            }
            let left = consignment.parts.filter { confirmedUpTo[$0.log, default: 0] < $0.last }
            if left.isEmpty { return delivered }
            if stop.isStopped { throw ProgramError.failed(notAll("stopped")) }
            turn(stop)
            let open = consignment.parts.reduce(0) { $0 + $1.last - confirmedUpTo[$1.log, default: 0] }
            let now = Delivered(scans: consignment.scans - open - window.missing, missing: window.missing)
            let nowMs = SystemClock.monotonicMs()
            if now.scans + now.missing > delivered.scans + delivered.missing { progressMs = nowMs }
            delivered = now
            if view.isThere, let lost = left.first(where: { part in !view.sources.contains { $0.log == part.log } }) {
                throw ProgramError.failed(notAll("journal \(lost.log) was pruned or set aside meanwhile"))
            }
            if nowMs - progressMs >= patienceMs {
                if let unreadable { throw ProgramError.failed(notAll(unreadable)) }
                throw ProgramError.unreachable(
                    notAll("nothing for \(patienceMs / 1_000) s: \(status.report.upload.lastError ?? "no answer")"))
            }
            if nowMs - toldMs >= Upload.tellMs {
                toldMs = nowMs
                log.info("confirmed so far", [.count: delivered.scans, .backlog: open])
            }
        }
    }
}
