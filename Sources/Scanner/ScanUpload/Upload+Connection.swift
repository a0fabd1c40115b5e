import AMQP
import DataFolder
import LinuxSystem
import Runtime
import ScanModel

/// The connection: made, listened to, lost.
extension Upload {
    /// So few bytes on their way are heartbeats, 8 bytes each and 37 under TLS: that the broker's kernel takes them says
    /// nothing of what the broker owes us. A queue without a leader may never confirm what was published meanwhile, on a
    /// connection that lives.
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
            logged = ("", 0)
            if settings.logsConnections { log.info("connected", [.url: address]) }
            show("connected")
        } catch {
            window.connectFailed(nowMs: SystemClock.monotonicMs())
            trouble("the broker cannot be reached", error)
            show("waiting")
        }
    }

    func openChannel() {
        guard let connection else { return }
        do {
            try connection.openChannel()
            try connection.confirmSelect()
            window.channelOpened(nowMs: SystemClock.monotonicMs())
        } catch { fail(error) }
    }

    /// Takes in all that the broker has sent, and watches the bytes on their way.
    func receive() {
        guard let connection else { return }
        do {
            for event in try connection.poll() { take(event) }
        } catch { return fail(error) }
        guard window.inFlight > 0 else { return }
        let bytes = connection.unacknowledgedBytes
        if bytes < unacknowledgedBytes, unacknowledgedBytes > Upload.heartbeatsBytes {
            window.progressed(nowMs: SystemClock.monotonicMs())
        }
        unacknowledgedBytes = bytes
    }

    private func take(_ event: AMQPEvent) {
        let nowMs = SystemClock.monotonicMs()
        switch event {
        case .confirmed(let tag, let multiple):
            window.confirmed(tag: tag, multiple: multiple, nowMs: nowMs)
            status.update { report in
                report.upload.lastConfirmed = PublisherStatus.now()
                // A returned message is confirmed too: only a cursor that moves is the end of trouble.
                if window.hasAdvances { report.upload.lastError = nil }
            }
            show(window.isBlocked ? "blocked" : "connected")
        case .refused(let tag, let multiple):
            window.refused(tag: tag, multiple: multiple, nowMs: nowMs)
            trouble("the broker refuses batches: later", "its queue is full, or not available")
        case .returned(let back):
            let parts = (back.messageID ?? "").split(separator: ":")
            if parts.count == 2, let journal = JournalID(String(parts[0])), let first = Int64(parts[1]) {
                window.returned(journal, first: first, nowMs: nowMs)
            }
            trouble("the broker has no queue for batches: later", back.text)
        case .blocked(let reason):
            window.blocked()
            trouble("the broker is blocked: later", reason)
            show("blocked")
        case .unblocked:
            window.unblocked(nowMs: nowMs)
            log.info("the broker is no longer blocked")
            show("connected")
        case .channelClosed(let code, let text):
            window.channelClosed(nowMs: nowMs)
            trouble("the broker closed the channel: later", "\(code) \(text)")
            show("waiting")
        case .connectionClosed(let code, let text): lose("closed by the broker: \(code) \(text)")
        case .delivery, .consumerCancelled: break
        }
    }

    /// An error of a call: the channel's end, or the connection's.
    func fail(_ error: AMQPError) {
        guard error.isChannelOnly else { return lose(error.description) }
        window.channelClosed(nowMs: SystemClock.monotonicMs())
        trouble("the broker closed the channel: later", error)
    }

    func lose(_ reason: String) {
        connection = nil
        window.connectionLost(nowMs: SystemClock.monotonicMs())
        trouble("connection lost", reason)
        show("waiting")
    }

    private func show(_ state: String) {
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
