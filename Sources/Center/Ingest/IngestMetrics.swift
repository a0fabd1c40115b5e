import Runtime
import ScanBatchCodec

/// The metrics of the ingestion, described in docs/reference/metrics.md.
final class IngestMetrics: Sendable {
    let deliveries, redeliveries, deadLettered: Counter
    let stored, duplicates, conflicts: Counter
    let quarantined: [BatchError.Reason: Counter]
    let quarantineDropped: Counter
    let brokerConnections, databaseConnections: Counter
    let unacknowledged: Gauge
    let groupScans, commitSeconds: Histogram

    init(_ metrics: Metrics, health: IngestHealth) {
        deliveries = metrics.counter("tapline_ingest_deliveries_total", "Deliveries received from the broker.")
        redeliveries = metrics.counter(
            "tapline_ingest_redeliveries_total", "Of these, deliveries that the broker had delivered before.")
        deadLettered = metrics.counter(
            "tapline_ingest_dead_lettered_total",
            "Deliveries rejected to tapline.dead, because they could not be quarantined.")
        stored = metrics.counter("tapline_ingest_scans_stored_total", "Scans stored.")
        duplicates = metrics.counter(
            "tapline_ingest_scans_duplicate_total", "Scans that were stored already, with the same contents.")
        conflicts = metrics.counter(
            "tapline_ingest_scans_conflicting_total", "Scans whose seq is stored already with other contents.")
        quarantined = Dictionary(
            uniqueKeysWithValues: BatchError.Reason.allCases.map { reason in
                let name = "tapline_ingest_quarantined_total{reason=\"\(reason.rawValue)\"}"
                return (reason, metrics.counter(name, "Deliveries put into quarantine, by reason."))
            })
        quarantineDropped = metrics.counter(
            "tapline_ingest_quarantine_dropped_total",
            "Bodies and batches dropped from the quarantine, because their owner had filled its share.")
        brokerConnections = metrics.counter(
            "tapline_ingest_broker_connections_total", "Connections made to the broker.")
        databaseConnections = metrics.counter(
            "tapline_ingest_database_connections_total", "Connections made to the database.")
        unacknowledged = metrics.gauge(
            "tapline_ingest_unacknowledged_deliveries", "Deliveries received and not yet settled.")
        groupScans = metrics.histogram(
            "tapline_ingest_group_scans", "Scans in a transaction, redeliveries included.",
            bounds: [1, 10, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000])
        commitSeconds = metrics.histogram(
            "tapline_ingest_commit_seconds", "Time from the beginning of a group to its COMMIT, in seconds.",
            bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10])
        metrics.computed(
            "tapline_ingest_broker_connected", "1 while the broker is connected and its queues are consumed."
        ) {
            health.isBrokerConnected ? 1 : 0
        }
        metrics.computed("tapline_ingest_database_connected", "1 while the database is connected.") {
            health.isDatabaseConnected ? 1 : 0
        }
    }

    /// Counts the outcomes of one group.
    func count(_ outcomes: [IngestOutcome]) {
        for outcome in outcomes {
            switch outcome {
            case .accepted(let stored, let duplicates, let conflicts):
                self.stored.add(stored)
                self.duplicates.add(duplicates)
                self.conflicts.add(conflicts)
                if conflicts > 0 { quarantined[.conflict]?.add() }
            case .quarantined(let reason, _): quarantined[reason]?.add()
            case .rejected: deadLettered.add()
            }
        }
        groupScans.observe(Double(outcomes.reduce(0) { $0 + $1.scans }))
    }
}
