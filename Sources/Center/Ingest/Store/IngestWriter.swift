import CLI
import LinuxSystem
import Postgres
import Runtime
import ScanBatchCodec
import Synchronization
import Tracking

/// The writing thread of a lane: takes whatever waits as a group, stores it, and sends back what may be acknowledged. Holds what it
/// took while the database is away.
final class IngestWriter {
    /// Most bytes of bodies in one transaction: about 220,000 scans, a second of work. Larger groups move each tag once for
    /// more of its scans; smaller ones lose less when they must be done again. Only a backlog fills them.
    static let groupBytesLimit = 3 << 20
    /// Most deliveries in one transaction: heartbeats are small.
    static let groupDeliveriesLimit = 1_000
    /// A delivery that came back more often is stored alone: it may be what ended the consumer before.
    static let deliveryCountLimit = 2
    /// How often an idle connection is looked at.
    static let idleCheckMs = 250

    private let settings: IngestSettings
    private let link: WorkerChannel
    private let health: IngestHealth.Lane
    private let metrics: IngestMetrics
    private let tracker: Tracker
    private let failure: IngestFailure
    private let stop: StopSignal
    private let log = Log("ingest")

    private var connection: PostgresConnection?
    private var store: IngestStore?
    private var backoff = Backoff()
    private var waiting: ArraySlice<TakenDelivery> = []

    init(
        _ settings: IngestSettings, _ link: WorkerChannel, _ health: IngestHealth.Lane, _ metrics: IngestMetrics,
        _ tracker: Tracker, _ failure: IngestFailure, _ stop: StopSignal
    ) {
        (self.settings, self.link, self.health) = (settings, link, health)
        (self.metrics, self.tracker, self.failure, self.stop) = (metrics, tracker, failure, stop)
    }

    /// Runs until it is told to stop; the group in hand is finished.
    func run() {
        while !stop.isStopped, failure.error == nil {
            do {
                let store = try connected()
                let group = nextGroup()
                if group.isEmpty {
                    // Throws when the server has gone: /readyz must know although nothing is stored.
                    _ = try connection?.notifications()
                    recover()
                } else {
                    try settle(group, store)
                }
            } catch let error as ProgramError {
                failure.tell(error)
            } catch {
                lose(error)
            }
        }
        connection = nil
        health.setDatabase("stopped")
    }

    // MARK: The database

    private func connected() throws -> IngestStore {
        if let store, connection?.isBroken == false { return store }
        (store, connection) = (nil, nil)
        let new = try PostgresConnection(
            url: settings.databaseURL, statementTimeoutMs: settings.statementTimeoutMs,
            applicationName: "tapline-center ingest")
        link.shards.store(try Topology.shards(new, wanted: settings.shards), ordering: .releasing)
        let store = try IngestStore(new, relayUsers: settings.relayUsers) { [tracker] in tracker.take($0) }
        (connection, self.store) = (new, store)
        metrics.databaseConnections.add()
        return store
    }

    private func recover() {
        backoff.reset()
        if health.setDatabase(nil) { log.info("database connected", [.host: connection?.address ?? ""]) }
    }

    /// Notes an outage, once, and waits; what is in hand is kept.
    private func lose(_ error: any Error) {
        let problem = "\(error)"
        if health.setDatabase(problem) {
            let code = (error as? PostgresError)?.sqlState ?? ""
            log.warning("database away", [.error: problem, .sqlstate: code])
        }
        // Also when only a statement failed: behind the same address another server may be the right one by now.
        (store, connection) = (nil, nil)
        stop.wait(ms: backoff.nextDelayMs())
    }

    // MARK: Groups

    /// What waits, up to the limits, of the present channel; waits a little for the first.
    private func nextGroup() -> [TakenDelivery] {
        waiting += link.deliveries.receive(timeoutMs: waiting.isEmpty ? IngestWriter.idleCheckMs : 0)
        let generation = link.generation.load(ordering: .acquiring)
        if waiting.contains(where: { $0.generation != generation }) {
            waiting = ArraySlice(waiting.filter { $0.generation == generation })
        }
        guard let first = waiting.first else { return [] }
        if first.deliveryCount > IngestWriter.deliveryCountLimit { return [first] }
        var bytes = 0
        var count = 0
        for taken in waiting.prefix(IngestWriter.groupDeliveriesLimit) {
            bytes += taken.delivery.body.count
            if taken.deliveryCount > IngestWriter.deliveryCountLimit { break }
            if count > 0, bytes > IngestWriter.groupBytesLimit { break }
            count += 1
        }
        return Array(waiting.prefix(count))
    }

    /// Stores a group and sends its settlement; only then does it leave `waiting`.
    private func settle(_ group: [TakenDelivery], _ store: IngestStore) throws {
        let start = SystemClock.monotonicNanoseconds()
        let outcomes = try store.store(group.map(\.delivery), group.map(\.intake))
        metrics.commitSeconds.observe(Double(SystemClock.monotonicNanoseconds() - start) / 1e9)
        waiting = waiting.dropFirst(group.count)
        recover()
        metrics.count(outcomes)
        var (accepted, rejected): ([UInt64], [UInt64]) = ([], [])
        for (taken, outcome) in zip(group, outcomes) {
            if case .refused = outcome { rejected.append(taken.tag) } else { accepted.append(taken.tag) }
        }
        link.settlements.send(
            Settlement(generation: group[0].generation, accepted: accepted, rejected: rejected))
        tell(outcomes)
    }

    /// One line a group, and only when something is wrong with it.
    private func tell(_ outcomes: [IngestOutcome]) {
        var conflicts = 0
        var reasons: [String: Int] = [:]
        for outcome in outcomes {
            switch outcome {
            case .taken(_, _, let count): conflicts += count
            case .quarantined(let reason, _): reasons[reason.rawValue, default: 0] += 1
            case .refused(let detail): log.error("dead-lettered", [.detail: detail])
            }
        }
        if conflicts > 0 { log.error("conflicting scans", [.conflicts: conflicts]) }
        if !reasons.isEmpty {
            let list = reasons.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            log.warning("quarantined", [.reason: list, .quarantined: reasons.values.reduce(0, +)])
        }
    }
}
