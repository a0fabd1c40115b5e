import AMQP
import DataFolder
import LinuxSystem
import Runtime
import ScanModel

/// The broker connection and its events.
extension Upload {
    /// At most this many unacknowledged bytes can be AMQP heartbeats, of 8 bytes each and 37 under TLS. Their
    /// acknowledgement by the broker's kernel is no progress: a queue without a leader may never confirm a publish,
    /// while the connection works.
    static let heartbeatsBytes = 256

    func connect(_ number: Int, _ stop: StopSignal) {
        let address = settings.addresses[number % settings.addresses.count]
        do {
            let fresh = try AMQPConnection(
                address, heartbeatS: settings.heartbeatS, connectTimeoutMs: settings.connectTimeoutMs,
                loginTimeoutMs: settings.loginTimeoutMs, name: "tapline-publisher \(settings.scanner)",
                interrupt: stop.descriptor)
            try fresh.confirmSelect()
            (connection, connectedTo, unacknowledgedBytes) = (fresh, address, 0)
            status.connects.add()
            window.connected(nowMs: SystemClock.monotonicMs())
            clearProblem()
            if settings.logsConnections { log.info("broker connected", [.url: address]) }
            updateStatus(.connected)
        } catch {
            window.connectFailed(nowMs: SystemClock.monotonicMs())
            reportProblem("broker unreachable, will retry", "\(error)")
            updateStatus(.waiting)
        }
    }

    func openChannel() {
        guard let connection else { return }
        do {
            try connection.openChannel()
            try connection.confirmSelect()
            window.channelOpened(nowMs: SystemClock.monotonicMs())
        } catch { handle(error) }
    }

    /// Handles all events that the broker has sent, and checks the unacknowledged bytes for progress.
    func receive() {
        guard let connection else { return }
        do {
            for event in try connection.poll() { handle(event) }
        } catch { return handle(error) }
        guard window.inFlight > 0 else { return }
        let bytes = connection.unacknowledgedBytes
        if bytes < unacknowledgedBytes, unacknowledgedBytes > Upload.heartbeatsBytes {
            window.progressed(nowMs: SystemClock.monotonicMs())
        }
        unacknowledgedBytes = bytes
    }

    private func handle(_ event: AMQPEvent) {
        let nowMs = SystemClock.monotonicMs()
        switch event {
        case .confirmed(let tag, let multiple):
            window.confirmed(tag: tag, multiple: multiple, nowMs: nowMs)
            status.update { report in
                report.upload.lastConfirmed = PublisherStatus.now()
                // A returned message is confirmed too, so only a cursor that moves ends the problem.
                if window.hasAdvances { report.upload.lastError = nil }
            }
            updateStatus(window.isBlocked ? .blocked : .connected)
        case .nacked(let tag, let multiple):
            window.refused(tag: tag, multiple: multiple, nowMs: nowMs)
            reportProblem("batch rejected by broker, will retry", "the queue is full or unavailable")
        case .returned(let message):
            let parts = (message.messageID ?? "").split(separator: ":")
            if parts.count == 2, let journal = JournalID(String(parts[0])), let first = Int64(parts[1]) {
                window.returned(journal, first: first, nowMs: nowMs)
            }
            reportProblem("batch returned by broker, will retry", message.text)
        case .blocked(let reason):
            window.blocked()
            reportProblem("publishing blocked by broker", reason)
            updateStatus(.blocked)
        case .unblocked:
            window.unblocked(nowMs: nowMs)
            log.info("publishing unblocked by broker")
            updateStatus(.connected)
        case .channelClosed(let code, let text): channelClosed("\(code) \(text)")
        case .connectionClosed(let code, let text):
            dropConnection("broker connection lost, reconnecting", "closed by the broker: \(code) \(text)")
        case .delivery, .consumerCancelled: break
        }
    }

    /// Handles the error of a call: the end of the channel or of the connection.
    func handle(_ error: AMQPError) {
        guard error.isChannelOnly else {
            return dropConnection("broker connection lost, reconnecting", error.description)
        }
        channelClosed(error.description)
    }

    private func channelClosed(_ cause: String) {
        window.channelClosed(nowMs: SystemClock.monotonicMs())
        reportProblem("channel closed by broker, will reopen", cause)
        updateStatus(.waiting)
    }

    func dropConnection(_ message: StaticString, _ cause: String) {
        connection = nil
        window.connectionLost(nowMs: SystemClock.monotonicMs())
        reportProblem(message, cause)
        updateStatus(.waiting)
    }

    private func updateStatus(_ state: PublisherStatus.UploadState) {
        let (batch, inFlight, losses, refusals) = (window.batchScans, window.inFlight, window.losses, window.refusals)
        let address = connection == nil ? nil : connectedTo?.description
        status.update { report in
            if report.upload.state != state || report.upload.address != address {
                report.upload.since = PublisherStatus.now()
            }
            (report.upload.state, report.upload.address) = (state, address)
            (report.upload.batchScans, report.upload.inFlight) = (batch, inFlight)
            (report.upload.losses, report.upload.refusals) = (losses, refusals)
        }
    }
}
