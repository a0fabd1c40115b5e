import AMQP
import DataFolder
import FileSystem
import LinuxSystem
import Runtime
import ScanBatchCodec
import ScanJournal
import ScanModel

/// From the journal to a published batch.
extension Upload {
    /// Looks for new scans, at most once a tick.
    func lookAtJournal() {
        let nowMs = SystemClock.monotonicMs()
        if let journalsSeenMs, nowMs - journalsSeenMs < Int64(settings.tickMs) { return }
        journalsSeenMs = nowMs
        do {
            if try view.look() { window.journals(view.sources) }
        } catch {
            unreadable = "\(error)"
            trouble("the journal cannot be read", error)
        }
        for record in view.foreign where knownForeign.insert(record.journalID).inserted {
            log.warning(
                "a journal of another scanner lies here and is not shipped",
                [.journal: record.journalID, .name: record.scanner, .count: record.lastSeq])
            status.update { $0.upload.foreign = Set(view.foreign.map(\.scanner.text)).sorted() }
        }
        lookAtGate()
    }

    /// A gate that has switched to another snapshot, or another gate, says so by a heartbeat.
    private func lookAtGate() {
        let mark = Files.status(settings.folder + "/gate.json")
        guard mark != gateMark else { return }
        gateMark = mark
        let state = GateState.read(folder: settings.folder)
        if let gate, state?.snapshot != gate.snapshot { window.requestHeartbeat() }
        gate = state
    }

    /// Publishes one slice, or a heartbeat; the window hears of what really went out.
    func publish(_ slice: PublishWindow.Slice, _ stop: StopSignal) {
        guard let connection else { return }
        var scans: [Scan]
        do {
            scans = slice.limit == 0 ? [] : try view.read(slice)
            // A recovered journal: what is lost is passed over, and the center lists it as a gap.
            if let first = scans.first?.seq, first > slice.first, slice.flight == nil, try view.mayHaveGaps() {
                log.warning(
                    "scans are missing in a recovered journal",
                    [
                        .journal: slice.log, .seq: slice.first,
                        .count: first - slice.first,
                    ])
                return window.missing(slice, upTo: first - 1)
            }
            if let hole = scans.indices.first(where: { scans[$0].seq != slice.first + Int64($0) }) {
                scans.removeSubrange(hole...)
            }
        } catch { return cannotRead("\(error)") }
        let count = ScanBatch.cut(scans)
        guard count > 0 && scans[0].seq == slice.first || slice.limit == 0 else {
            return cannotRead("\(slice.log) has no seq \(slice.first)")
        }
        unreadable = nil
        body.removeAll(keepingCapacity: true)
        batch(slice, scans[..<count]).encode(into: &body)
        let message = AMQPProperties(
            contentType: "application/cbor", type: "tapline.scans.v1", messageID: "\(slice.log):\(slice.first)",
            userID: connection.user, deliveryMode: 2)
        // What does not fit the socket would put this thread to sleep inside the library: the window asks again.
        guard connection.hasRoom(forBytes: body.count) else { return sleep(20, stop) }
        do {
            let tag = try connection.publish(
                exchange: settings.exchange, routingKey: "scan.\(settings.scanner)", mandatory: true,
                properties: message, body: body)
            unacknowledgedBytes = connection.unacknowledgedBytes
            window.published(
                slice, count: count, bytes: body.count, tag: tag, nowMs: SystemClock.monotonicMs())
            status.publishedBytes.add(body.count)
            if count > 0 { status.publishedBatches.add() } else { status.heartbeats.add() }
        } catch { fail(error) }
    }

    private func cannotRead(_ cause: String) {
        unreadable = cause
        trouble("scans cannot be read", cause)
        window.unreadable(nowMs: SystemClock.monotonicMs())
    }

    private func batch(_ slice: PublishWindow.Slice, _ scans: ArraySlice<Scan>) -> ScanBatch {
        let sentMicros = SystemClock.nowMicroseconds()
        let backlog = max(0, slice.backlogFromFirst - Int64(scans.count))
        guard !scans.isEmpty else {
            return ScanBatch(
                heartbeatOf: settings.scanner, log: slice.log, next: slice.first, gate: gate?.gate,
                snapshot: gate?.snapshot ?? 0, sentMicros: sentMicros, backlog: backlog,
                state: GateState.heartbeat(of: gate, folder: settings.folder))
        }
        return ScanBatch(
            scanner: settings.scanner, log: slice.log, scans: scans,
            after: slice.previous.map { ScanBatch.After(log: $0.log, lastSeq: $0.lastSeq) }, sentMicros: sentMicros,
            backlog: backlog)
    }
}
