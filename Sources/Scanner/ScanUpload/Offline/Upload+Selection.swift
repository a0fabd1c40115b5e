import AMQP
import DataFolder
import LinuxSystem
import Runtime
import ScanModel

/// Publishes one selection of scans, with or without a running publisher. The upload cursors of the folder are neither
/// read nor changed.
extension Upload {
    /// The progress of a delivery.
    struct Delivered {
        /// Number of scans that the broker has confirmed.
        var scans: Int64 = 0
        /// Number of seqs that a recovered journal does not contain.
        var missing: Int64 = 0
    }

    /// Interval between two log lines about the progress, in milliseconds.
    private static let progressLogMs: Int64 = 5_000

    /// - Parameter confirmLimitMs: As for `deliver`. No single step takes longer.
    convenience init(_ selection: JournalSelection, _ addresses: [AMQPAddress], confirmLimitMs: Int64) {
        var settings = Settings(folder: selection.folder, scanner: selection.scanner, addresses: addresses)
        // No new scans are awaited, and the device may be dead, so it sends no heartbeats.
        settings.limits.ageMs = 0
        settings.limits.sendsHeartbeats = false
        settings.connectTimeoutMs = min(settings.connectTimeoutMs, Int(confirmLimitMs))
        settings.loginTimeoutMs = min(settings.loginTimeoutMs, Int(confirmLimitMs))
        settings.logsConnections = false
        func bySeq(_ seq: KeyPath<JournalSelection.Part, Int64>) -> [JournalID: Int64] {
            Dictionary(selection.parts.map { ($0.journalID, $0[keyPath: seq]) }) { first, _ in first }
        }
        self.init(
            settings, PublisherStatus(folder: selection.folder, scanner: selection.scanner.text, isKept: false),
            JournalTail(folder: selection.folder, scanner: selection.scanner, ends: bySeq(\.last)),
            confirmedUpTo: bySeq(\.after))
    }

    /// Publishes until all scans of the selection are confirmed.
    ///
    /// - Parameters:
    ///   - selection: The scans.
    ///   - confirmLimitMs: Time without a confirm after which the delivery fails, in milliseconds.
    ///   - stop: Ends the delivery with an error.
    /// - Throws: `UploadError.deliveryIncomplete`.
    func deliver(_ selection: JournalSelection, confirmLimitMs: Int64, _ stop: StopSignal) throws(UploadError)
        -> Delivered
    {
        var delivered = Delivered()
        let startMs = SystemClock.monotonicMs()
        var (progressMs, loggedMs) = (startMs, startMs)
        defer {
            connection?.close()
            connection = nil
        }
        while true {
            func incomplete(_ failure: UploadError.DeliveryFailure) -> UploadError {
                .deliveryIncomplete(confirmed: delivered.scans, total: selection.scans, failure)
            }
            let unfinished = selection.parts.filter { confirmedUpTo[$0.journalID, default: 0] < $0.last }
            if unfinished.isEmpty { return delivered }
            if stop.isStopped { throw incomplete(.stopped) }
            performStep(stop)
            let open = selection.parts.reduce(0) { $0 + $1.last - confirmedUpTo[$1.journalID, default: 0] }
            let now = Delivered(scans: selection.scans - open - window.missing, missing: window.missing)
            let nowMs = SystemClock.monotonicMs()
            if now.scans + now.missing > delivered.scans + delivered.missing { progressMs = nowMs }
            delivered = now
            if tail.isReadable,
                let gone = unfinished.first(where: { part in
                    !tail.sources.contains { $0.journalID == part.journalID }
                })
            {
                throw incomplete(.journalGone(gone.journalID))
            }
            if nowMs - progressMs >= confirmLimitMs {
                if let readProblem { throw incomplete(.journalUnreadable(detail: readProblem)) }
                throw incomplete(
                    .brokerTimeout(
                        seconds: confirmLimitMs / 1_000, lastProblem: status.report.upload.lastError))
            }
            if nowMs - loggedMs >= Upload.progressLogMs {
                loggedMs = nowMs
                log.info("delivery in progress", [.count: delivered.scans, .backlog: open])
            }
        }
    }
}
