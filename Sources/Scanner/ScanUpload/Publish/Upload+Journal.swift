import AMQP
import DataFolder
import LinuxSystem
import Runtime
import ScanBatchCodec
import ScanJournal
import ScanModel

/// From the journal to a published batch.
extension Upload {
    /// Checks the journal for new scans, at most once in `pollMs`.
    func pollJournal() {
        let nowMs = SystemClock.monotonicMs()
        if let journalPolledMs, nowMs - journalPolledMs < Int64(settings.pollMs) { return }
        journalPolledMs = nowMs
        do {
            if try tail.poll() { window.journalsChanged(tail.sources) }
        } catch {
            readProblem = "\(error)"
            reportProblem("journal not readable, will retry", "\(error)")
        }
        for record in tail.foreign where knownForeign.insert(record.journalID).inserted {
            log.warning(
                "journal of another scanner is not uploaded",
                [.journal: record.journalID, .name: record.scanner, .count: record.lastSeq])
            status.update { $0.upload.foreign = Set(tail.foreign.map(\.scanner.text)).sorted() }
        }
        if gate.poll() { window.requestHeartbeat() }
    }

    /// Publishes a slice or a heartbeat, and reports to the window what was sent.
    func publish(_ slice: PublishWindow.Slice, _ stop: StopSignal) {
        guard let connection else { return }
        var scans: [Scan]
        do {
            scans = slice.limit == 0 ? [] : try tail.read(slice)
            // In a recovered journal, lost seqs are skipped. The center reports them as a gap.
            if let first = scans.first?.seq, first > slice.first, slice.repeats == nil, try tail.mayHaveGaps() {
                log.warning(
                    "scans are missing in a recovered journal",
                    [.journal: slice.journalID, .seq: slice.first, .count: first - slice.first])
                return window.missing(slice, upTo: first - 1)
            }
            if let gap = scans.indices.first(where: { scans[$0].seq != slice.first + Int64($0) }) {
                scans.removeSubrange(gap...)
            }
        } catch { return readFailed("\(error)") }
        let notes: BatchNotes
        let elapsedMs: [Int32]?
        do {
            notes = try tail.notes(slice, scans[..<ScanBatch.cut(scans)])
            elapsedMs = try tail.elapsedMs(slice, scans[..<notes.count])
        } catch { return readFailed("\(error)") }
        let count = notes.count
        guard count > 0 && scans[0].seq == slice.first || slice.limit == 0 else {
            return readFailed("journal \(slice.journalID) has no seq \(slice.first)")
        }
        readProblem = nil
        body.removeAll(keepingCapacity: true)
        batch(slice, scans[..<count], notes.notes, elapsedMs).encode(into: &body)
        let message = AMQPProperties(
            contentType: "application/cbor", type: "tapline.scans.v1", messageID: "\(slice.journalID):\(slice.first)",
            userID: connection.user, deliveryMode: 2)
        // librabbitmq would block if the send buffer is full. Retry when there is room.
        guard connection.hasRoom(forBytes: body.count) else { return sleep(20, stop) }
        do {
            let tag = try connection.publish(
                exchange: settings.exchange, routingKey: "scan.\(settings.scanner)", mandatory: true,
                properties: message, body: body)
            unacknowledgedBytes = connection.unacknowledgedBytes
            window.published(slice, count: count, bytes: body.count, tag: tag, nowMs: SystemClock.monotonicMs())
            status.publishedBytes.add(body.count)
            if count > 0 { status.publishedBatches.add() } else { status.heartbeats.add() }
        } catch { handle(error) }
    }

    private func readFailed(_ cause: String) {
        readProblem = cause
        reportProblem("scans not readable, will retry", cause)
        window.unreadable(nowMs: SystemClock.monotonicMs())
    }

    private func batch(
        _ slice: PublishWindow.Slice, _ scans: ArraySlice<Scan>, _ notes: [Int: String], _ elapsedMs: [Int32]?
    ) -> ScanBatch {
        let sentMicros = SystemClock.nowMicroseconds()
        let backlog = max(0, slice.backlogFromFirst - Int64(scans.count))
        guard !scans.isEmpty else {
            return ScanBatch(
                heartbeatOf: settings.scanner, journalID: slice.journalID, next: slice.first, gate: gate.state?.gate,
                snapshot: gate.state?.snapshot ?? 0, sentMicros: sentMicros, backlog: backlog,
                state: gate.heartbeat())
        }
        var batch = ScanBatch(
            scanner: settings.scanner, journalID: slice.journalID, scans: scans, after: slice.previous,
            sentMicros: sentMicros, backlog: backlog, notes: notes)
        batch.elapsedMs = elapsedMs
        return batch
    }
}
