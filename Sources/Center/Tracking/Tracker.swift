import LinuxSystem
import Postgres
package import Runtime
import Synchronization

/// The center's tracker: takes what the writers have stored, and keeps presence, annulments and flow at most a second behind.
///
/// Its queue is a short cut. What does not fit, what was in it when the center died, and what another program stored waits in
/// `tapline_internal.tracking_queue`, and is read back from there.
package final class Tracker: Sendable {
    /// Scans that wait in memory, with their columns 14 bytes each: about two seconds of a backlog at full speed.
    static let scansLimit = 1_000_000
    static let runsLimit = 16_384
    /// Scans that one transaction tracks: so many that a busy tag is moved once for many, so few that it ends within the second.
    static let flushScans = 600_000
    /// Between the beginnings of two transactions, at least, and so many times what the last one took: at most a quarter of
    /// one connection, however fast scans come. Under load the pace falls to `slowestMs`, which leaves room in the second.
    static let quickestMs: Int64 = 40
    static let paceFactor: Int64 = 4
    static let slowestMs: Int64 = 700
    /// What waits longer than this in the database is nobody's: its center is gone, or its queue was full.
    static let abandonedMs: Int64 = 1_500
    static let lookMs: Int64 = 500

    private let databaseURL: String
    private let statementTimeoutMs: Int
    private let queue = Mailbox<StoredScans>(capacity: Tracker.runsLimit)
    private let waiting = Atomic(0)
    private let log = Log("tracking")
    private let metrics: TrackingMetrics
    private let doubles: DoubleAdmissions

    package init(databaseURL: String, statementTimeoutMs: Int = 60_000, metrics: Metrics) {
        (self.databaseURL, self.statementTimeoutMs) = (databaseURL, statementTimeoutMs)
        self.metrics = TrackingMetrics(metrics)
        doubles = DoubleAdmissions(databaseURL: databaseURL)
    }

    /// From a writer, once its transaction has committed. Never waits.
    package func take(_ runs: [StoredScans]) {
        for run in runs {
            guard waiting.load(ordering: .relaxed) + run.count <= Tracker.scansLimit else { return }
            // Before it is sent: it may be taken out, and counted off, at once.
            waiting.wrappingAdd(run.count, ordering: .relaxed)
            if !queue.send(run) {
                waiting.wrappingSubtract(run.count, ordering: .relaxed)
                return
            }
        }
    }

    /// Until it is told to stop, which is after the writers: it tracks what they have stored last. Connects again, for ever,
    /// with back-off.
    package func run(_ stop: StopSignal) {
        // Not waited for: what it does is done again at the next start.
        NamedThread("doubles") { [doubles] in doubles.run(stop) }
        var backoff = Backoff()
        var isAway = false
        while !stop.isStopped {
            do {
                try work(stop) {
                    backoff.reset()
                    if isAway { log.info("tracking again") }
                    isAway = false
                }
            } catch {
                // What it held waits in the database.
                forget(queue.drain())
                if !isAway { log.warning("not tracking", [.error: "\(error)"]) }
                isAway = true
                stop.wait(ms: backoff.nextDelayMs())
            }
        }
    }

    private func work(_ stop: StopSignal, succeeded: () -> Void) throws {
        let store = try TrackingStore(
            PostgresConnection(
                url: databaseURL, statementTimeoutMs: statementTimeoutMs, applicationName: "tapline-center tracking"),
            isTracker: true)
        // What was left when this center, or its connection, ended. Of what others have in hand they leave out the rest.
        try store.catchUp()
        succeeded()
        var held: ArraySlice<StoredScans> = []
        defer { forget(Array(held)) }
        var nextMs: Int64 = 0
        var lookMs: Int64 = 0
        while true {
            let hasEnded = stop.isStopped
            if !hasEnded, held.isEmpty {
                let left = max(0, lookMs - SystemClock.monotonicMs())
                _ = Poll.wait([queue.descriptor, stop.descriptor], timeoutMs: Int(left))
            }
            if !hasEnded, !held.isEmpty || queue.count > 0 {
                stop.wait(ms: Int(max(0, nextMs - SystemClock.monotonicMs())))
            }
            held += queue.drain()
            if !held.isEmpty {
                let start = SystemClock.monotonicMs()
                try flush(&held, store)
                let took = SystemClock.monotonicMs() - start
                nextMs = start + min(Tracker.slowestMs, max(Tracker.quickestMs, Tracker.paceFactor * took))
                succeeded()
            }
            if !hasEnded, SystemClock.monotonicMs() >= lookMs {
                let hasMore = try store.catchUp(olderThanMs: Tracker.abandonedMs)
                lookMs = SystemClock.monotonicMs() + (hasMore ? 0 : Tracker.lookMs)
                succeeded()
            }
            if hasEnded, held.isEmpty, queue.count == 0 { return }
        }
    }

    /// Tracks the next runs, and takes them out of `held`.
    private func flush(_ held: inout ArraySlice<StoredScans>, _ store: TrackingStore) throws {
        var scans = 0
        let count = held.prefix { run in
            defer { scans += run.count }
            return scans < Tracker.flushScans
        }.count
        let runs = Array(held.prefix(count))
        defer { forget(runs) }
        held = held.dropFirst(count)
        let start = SystemClock.monotonicNanoseconds()
        try store.track(runs)
        metrics.seconds.observe(Double(SystemClock.monotonicNanoseconds() - start) / 1e9)
        metrics.tracked.add(scans)
        doubles.tracked(scans)
    }

    private func forget(_ runs: [StoredScans]) {
        waiting.wrappingSubtract(runs.reduce(0) { $0 + $1.count }, ordering: .relaxed)
    }
}

/// The tracker's metric objects; docs/metrics.md is their table.
private struct TrackingMetrics: Sendable {
    let tracked: Counter
    let seconds: Histogram

    init(_ metrics: Metrics) {
        tracked = metrics.counter("tapline_tracking_scans_total", "Scans tracked as they were stored.")
        seconds = metrics.histogram(
            "tapline_tracking_seconds", "One tracking transaction, in seconds.",
            bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5])
    }
}
