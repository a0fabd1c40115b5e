package import Runtime
import Synchronization

/// Maintains the stored scans: joins small runs, makes partitions ahead, closes those whose journals are finished, and
/// drops old ones.
///
/// Maintenance affects speed only, never the stored scans. One of several centers works at a time. The others are
/// standbys.
package final class MaintenanceService: Sendable {
    private let databaseURL: String
    private let settings: MaintenanceSettings
    private let metrics: MaintenanceMetrics
    private let joinPlace = Mutex(RunJoiner.Place())
    private let memory = Mutex(Partitions.Memory())

    /// Creates the maintenance. It starts when its `services()` run.
    ///
    /// - Parameters:
    ///   - databaseURL: connection string or URL, in libpq's format.
    ///   - settings: the limits for closing and dropping partitions.
    ///   - metrics: where the service registers its metrics.
    package init(databaseURL: String, _ settings: MaintenanceSettings = MaintenanceSettings(), metrics: Metrics) {
        self.databaseURL = databaseURL
        self.settings = settings
        self.metrics = MaintenanceMetrics(metrics)
    }

    /// Returns the services to run: two, so that no small run waits until an index is built, and one more if names are
    /// erased. Each has a thread and a connection.
    package func services() -> [Service] {
        let (settings, metrics) = (settings, metrics)
        let retention = RetentionJob(settings, metrics)
        let names = settings.keepNamesDays.map { days in
            let erasure = NameErasure(keepDays: days)
            return LeaderJob("names", lockKey: 0x5450_4c4e_0013) { connection, stop in
                try erasure.step(connection, stop)
                return NameErasure.pauseMs
            }.service(databaseURL)
        }
        return [
            LeaderJob("scan-runs", lockKey: 0x5450_4c4e_0011) { [self] connection, stop in
                try joinPlace.withLock { place in try RunJoiner(connection, metrics).step(&place, stop) }
            }.service(databaseURL),
            LeaderJob("scan-partitions", lockKey: 0x5450_4c4e_0012) { [self] connection, stop in
                let pauseMs = try memory.withLock { memory in
                    try Partitions(connection, settings, metrics).step(&memory, stop)
                }
                if !stop.isStopped { try retention.step(connection, stop) }
                return pauseMs
            }.service(databaseURL),
        ] + (names.map { [$0] } ?? [])
    }
}

/// The settings of the maintenance.
package struct MaintenanceSettings: Sendable {
    /// A journal without a successor counts as finished after this time without a batch, in hours.
    ///
    /// A scanner makes a new journal every 24 hours, but a lost scanner makes none.
    package var silentJournalHours: Int
    /// A partition is dropped after this time without a batch for any of its journals, in days; `nil` keeps all
    /// partitions. Dropped an hour after that, and only while the clocks agree (`RetentionClocks`).
    package var keepDays: Int?

    /// Names of people are erased after they were not needed for this time, in days (`NameErasure`); `nil` keeps them.
    package var keepNamesDays: Int?

    /// The valid values of `keepDays` and `keepNamesDays`, in days: one day to a hundred years.
    package static let keepDaysRange = 1...36_500

    /// Creates the settings.
    ///
    /// - Parameters:
    ///   - silentJournalHours: see the property; in hours.
    ///   - keepDays: see the property; in days. `nil` keeps all partitions.
    ///   - keepNamesDays: see the property; in days. `nil` keeps all names.
    package init(silentJournalHours: Int = 48, keepDays: Int? = nil, keepNamesDays: Int? = nil) {
        self.silentJournalHours = silentJournalHours
        self.keepDays = keepDays
        self.keepNamesDays = keepNamesDays
    }
}

/// The metrics of the maintenance, described in docs/reference/metrics.md.
final class MaintenanceMetrics: Sendable {
    let smallRuns, retentionBlocked: Gauge
    let joined, closed, retired: Counter

    init(_ metrics: Metrics) {
        smallRuns = metrics.gauge(
            "tapline_growth_small_runs", "Runs of fewer than 256 scans in open partitions, as of the last pass.")
        joined = metrics.counter("tapline_growth_runs_joined_total", "Small runs that became part of a larger one.")
        closed = metrics.counter("tapline_growth_partitions_closed_total", "Partitions indexed by tag and frozen.")
        retired = metrics.counter("tapline_growth_scans_retired_total", "Scans dropped by retention.")
        retentionBlocked = metrics.gauge(
            "tapline_growth_retention_blocked", "1 while old scans are not dropped because the clocks do not agree.")
    }
}
