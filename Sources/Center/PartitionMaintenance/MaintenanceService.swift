package import Runtime

/// Keeps the growing table of scans quick: makes its partitions ahead, summarises what is written so that a person's scans
/// are found in it, closes partitions whose journals are over, and drops those that are too old.
///
/// Nothing that it does or fails to do changes what is stored: a center without it is slower, never wrong. Of several centers
/// one works at a time; the others stand by.
package final class MaintenanceService: Sendable {
    private let databaseURL: String
    private let settings: MaintenanceSettings
    private let metrics: MaintenanceMetrics

    package init(databaseURL: String, _ settings: MaintenanceSettings = MaintenanceSettings(), metrics: Metrics) {
        (self.databaseURL, self.settings) = (databaseURL, settings)
        self.metrics = MaintenanceMetrics(metrics)
    }

    /// Two threads, each with a connection of its own: summaries must not wait until an index is built.
    package func services() -> [Service] {
        let (settings, metrics) = (settings, metrics)
        return [
            LeaderJob("scan-summaries", lockKey: 0x5450_4c4e_0011) { connection, stop in
                try BRINSummarizer(connection, metrics).step(stop)
            }.service(databaseURL),
            LeaderJob("scan-partitions", lockKey: 0x5450_4c4e_0012) { connection, stop in
                try Partitions(connection, settings, metrics).step(stop)
            }.service(databaseURL),
        ]
    }
}

/// What may be set.
package struct MaintenanceSettings: Sendable {
    /// A journal that no newer one follows is over when nothing was heard of it for so long: a scanner makes a new one every
    /// 24 hours, and one that was lost makes none.
    package var silentJournalHours: Int
    /// Scans are dropped, a partition at a time, when nothing was heard of their journals for so many days; nil: never.
    package var keepDays: Int?

    package static let keepDaysRange = 1...36_500

    package init(silentJournalHours: Int = 48, keepDays: Int? = nil) {
        (self.silentJournalHours, self.keepDays) = (silentJournalHours, keepDays)
    }
}

/// The metric objects; docs/metrics.md is their table.
package final class MaintenanceMetrics: Sendable {
    let unsummarised: Gauge
    let closed, retired: Counter

    package init(_ metrics: Metrics) {
        unsummarised = metrics.gauge(
            "tapline_growth_unsummarised_pages", "Pages of open partitions that a search for a tag must read whole.")
        closed = metrics.counter("tapline_growth_partitions_closed_total", "Partitions indexed by tag and frozen.")
        retired = metrics.counter("tapline_growth_scans_retired_total", "Scans dropped by retention.")
    }
}
