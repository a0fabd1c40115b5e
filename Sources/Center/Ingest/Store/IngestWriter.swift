import LinuxSystem
import Postgres
import Runtime
import ScanBatchCodec
import Synchronization
import Tracking

/// The writing thread of a worker: stores the waiting deliveries in groups and reports each settlement to the consumer.
///
/// While the database is unavailable, the deliveries in hand are kept and stored again.
final class IngestWriter {
    /// Maximum total size of the bodies in one transaction, in bytes: about 220,000 scans, one second of work.
    ///
    /// A larger group updates each tag's presence once for more scans. A smaller one loses less if it must be repeated.
    /// Only a backlog fills it.
    static let groupBytesLimit = 3 << 20
    /// Maximum number of deliveries in one transaction, because heartbeats are small.
    static let groupDeliveriesLimit = 1_000
    /// Deliveries redelivered more than this many times are stored in a separate transaction. They may have crashed the
    /// previous consumer.
    static let deliveryCountLimit = 2
    /// Interval at which an idle connection is checked, in milliseconds.
    static let idleCheckMs = 250

    private let settings: IngestSettings
    private let channel: WorkerChannel
    private let health: IngestHealth.Worker
    private let metrics: IngestMetrics
    private let tracker: Tracker
    private let failure: IngestFailure
    private let stop: StopSignal
    private let log = Log("ingest")

    private var connection: PostgresConnection?
    private var store: IngestStore?
    private var backoff = Backoff()
    private var waiting: ArraySlice<ReceivedDelivery> = []
    private var heartbeatReports = RepeatedReports()
    private var quarantineReports = RepeatedReports()

    init(
        settings: IngestSettings, channel: WorkerChannel, health: IngestHealth.Worker, metrics: IngestMetrics,
        tracker: Tracker, failure: IngestFailure, stop: StopSignal
    ) {
        self.settings = settings
        self.channel = channel
        self.health = health
        self.metrics = metrics
        self.tracker = tracker
        self.failure = failure
        self.stop = stop
    }

    /// Runs until the stop signal, and finishes the group in hand.
    func run() {
        while !stop.isStopped, failure.error == nil {
            do {
                let store = try connectedStore()
                let group = nextGroup()
                if group.isEmpty {
                    // Throws if the server is gone: /readyz must report it although nothing is stored.
                    _ = try connection?.notifications()
                    recordSuccess()
                } else {
                    try storeAndSettle(group, store)
                }
            } catch let error as IngestError {
                failure.report(error)
            } catch {
                handleConnectionLoss(error)
            }
        }
        connection = nil
        health.setDatabase("stopped")
    }

    // MARK: The database connection

    private func connectedStore() throws -> IngestStore {
        if let store, connection?.isBroken == false { return store }
        disconnect()
        let new = try PostgresConnection(
            url: settings.databaseURL, statementTimeoutMs: settings.statementTimeoutMs,
            applicationName: "tapline-center ingest")
        channel.shards.store(try Topology.shards(new, wanted: settings.shards), ordering: .releasing)
        let newStore = try IngestStore(new, relayUsers: settings.relayUsers) { [tracker] in tracker.enqueue($0) }
        connection = new
        store = newStore
        metrics.databaseConnections.add()
        return newStore
    }

    private func disconnect() {
        store = nil
        connection = nil
    }

    private func recordSuccess() {
        backoff.reset()
        if health.setDatabase(nil) { log.info("database connected", [.host: connection?.address ?? ""]) }
    }

    /// Logs an outage once and waits for the back-off. The deliveries in hand are kept.
    private func handleConnectionLoss(_ error: any Error) {
        let problem = "\(error)"
        if health.setDatabase(problem) {
            let code = (error as? PostgresError)?.sqlState ?? ""
            log.warning("database connection lost", [.error: problem, .sqlstate: code])
        }
        // Also if only a statement failed: after a failover the same address may lead to another server.
        disconnect()
        stop.wait(ms: backoff.nextDelayMs())
    }

    // MARK: Groups

    /// Returns the waiting deliveries of the current channel, up to the limits of a group.
    ///
    /// If none is waiting, waits up to `idleCheckMs` for the first one.
    private func nextGroup() -> [ReceivedDelivery] {
        waiting += channel.deliveries.receive(timeoutMs: waiting.isEmpty ? IngestWriter.idleCheckMs : 0)
        let generation = channel.generation.load(ordering: .acquiring)
        if waiting.contains(where: { $0.generation != generation }) {
            waiting = ArraySlice(waiting.filter { $0.generation == generation })
        }
        guard let first = waiting.first else { return [] }
        if first.deliveryCount > IngestWriter.deliveryCountLimit { return [first] }
        var bytes = 0
        var count = 0
        for received in waiting.prefix(IngestWriter.groupDeliveriesLimit) {
            bytes += received.delivery.body.count
            if received.deliveryCount > IngestWriter.deliveryCountLimit { break }
            if count > 0, bytes > IngestWriter.groupBytesLimit { break }
            count += 1
        }
        return Array(waiting.prefix(count))
    }

    /// Stores a group and reports its settlement. Only then is it removed from `waiting`.
    private func storeAndSettle(_ group: [ReceivedDelivery], _ store: IngestStore) throws {
        let start = SystemClock.monotonicNanoseconds()
        let droppedBefore = store.droppedFromQuarantine
        let outcomes = try store.store(group.map(\.delivery), validated: group.map(\.validated))
        metrics.commitSeconds.observe(Double(SystemClock.monotonicNanoseconds() - start) / 1e9)
        waiting = waiting.dropFirst(group.count)
        recordSuccess()
        metrics.count(outcomes)
        tracker.noteReceived(scans: outcomes.reduce(0) { $0 + $1.scans })
        var accepted: [UInt64] = []
        var rejected: [UInt64] = []
        for (received, outcome) in zip(group, outcomes) {
            if case .rejected = outcome { rejected.append(received.tag) } else { accepted.append(received.tag) }
        }
        channel.settlements.send(
            Settlement(generation: group[0].generation, accepted: accepted, rejected: rejected))
        logProblems(outcomes, of: group)
        let dropped = Int(store.droppedFromQuarantine - droppedBefore)
        guard dropped > 0 else { return }
        metrics.quarantineDropped.add(dropped)
        if quarantineReports.isDue("dropped", nowMs: SystemClock.monotonicMs()) {
            log.warning(
                "quarantine is full, the oldest bodies are dropped: see tapline.quarantine_usage", [.count: dropped])
        }
    }

    /// Logs at most one line of each kind for a group, and nothing for a group without problems.
    private func logProblems(_ outcomes: [IngestOutcome], of group: [ReceivedDelivery]) {
        var conflicts = 0
        var reasons: [String: Int] = [:]
        for (received, outcome) in zip(group, outcomes) {
            switch outcome {
            case .accepted(_, _, let count): conflicts += count
            case .quarantined(let reason, let detail) where received.validated.isHeartbeat:
                let sender = ValidatedDelivery.text(received.delivery.routingKey)
                let key = "\(sender) \(reason.rawValue)"
                guard heartbeatReports.isDue(key, nowMs: SystemClock.monotonicMs()) else { continue }
                log.warning(
                    "heartbeats quarantined",
                    [.name: sender, .reason: reason.rawValue, .detail: detail])
            case .quarantined(let reason, _): reasons[reason.rawValue, default: 0] += 1
            case .rejected(let detail): log.error("delivery dead-lettered", [.detail: detail])
            }
        }
        if conflicts > 0 { log.error("conflicting scans quarantined", [.conflicts: conflicts]) }
        if !reasons.isEmpty {
            let text = reasons.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            log.warning("deliveries quarantined", [.reason: text, .quarantined: reasons.values.reduce(0, +)])
        }
    }
}
