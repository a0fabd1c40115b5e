import ErrorModel
import LinuxSystem
import Minisign
package import Runtime
import Snapshots

/// Keeps the published snapshot current, inside the center.
///
/// It exports soon after a change of the registration list, and at a daily time. It also exports when half of the
/// snapshot's lifetime is over, and at the start if nothing valid is published.
///
/// It has its own connections and takes no lock that ingestion waits for. Several centers on one database take turns.
/// With separate folders, each publishes in its folder. With a common folder, the first one publishes for all.
package struct SnapshotService: Sendable {
    /// Interval of the looks for changes of the list, in milliseconds: one query of one row.
    static let lookMs: Int64 = 1_000
    /// Interval of the checks of the wall clock and of the published files, in milliseconds.
    static let tickMs: Int64 = 30_000
    /// Period for which a computed instant is used: the time zone of the event can change.
    static let instantsLifeMs: Int64 = 600_000

    private let databaseURL: String
    private let settings: SnapshotExporter.Settings
    private let schedule: DailySchedule?
    private let health: SnapshotHealth?
    private let remedy: @Sendable (any Error) -> String?
    /// The state at the start.
    var plan = ExportPlan()
    private let log = Log("snapshots")
    private var folder: PublishedFolder { PublishedFolder(path: settings.folder) }

    /// Creates the service. It starts when its `service()` runs.
    ///
    /// - Parameters:
    ///   - databaseURL: connection string or URL, in libpq's format.
    ///   - settings: the folder, the key and the limits of every export.
    ///   - schedule: time of a daily new version without a change; `nil`: only after changes, or before the expiry.
    ///   - health: receives whether exports succeed; `nil` without a reader.
    ///   - remedy: returns the command that corrects an error, for the log; `nil` without one.
    package init(
        databaseURL: String, _ settings: SnapshotExporter.Settings, schedule: DailySchedule? = nil,
        health: SnapshotHealth? = nil, remedy: @escaping @Sendable (any Error) -> String? = { _ in nil }
    ) {
        self.remedy = remedy
        self.health = health
        self.databaseURL = databaseURL
        self.settings = settings
        self.schedule = schedule
    }

    /// Returns the service for the daemon. It never fails: errors are logged, and the export is retried.
    package func service() -> Service { .thread("snapshots") { stop in self.run(stop) } }

    func run(_ stop: StopSignal) {
        var loop = Loop(plan: plan)
        // Before the database is needed: scanners must be able to install the published files while it is unavailable.
        folder.repairIfIdle(trusting: settings.key.publicKey)
        while !stop.isStopped {
            do {
                try turn(&loop, stop)
            } catch let rejection as ExportRejection {
                if rejection == .empty {
                    log.info("nothing published yet", [.reason: rejection.description])
                    health?.rejected(nil)
                } else {
                    log.error("registration list not published", [.reason: text(rejection)])
                    health?.rejected(text(rejection))
                }
                loop.plan.rejected(nowMs: SystemClock.monotonicMs())
            } catch {
                if stop.isStopped { return }
                if SnapshotService.isFault(error) { health?.failed(text(error)) }
                // Reconnect: the connection may be lost.
                loop.changes = nil
                folder.repairIfIdle(trusting: settings.key.publicKey)
                let delayMs = loop.plan.failed(nowMs: SystemClock.monotonicMs())
                log.warning("snapshot export failed, will retry", [.error: text(error), .delayMs: delayMs])
                stop.wait(ms: Int(delayMs))
            }
        }
    }

    /// Whether an error is more than a database that is away, which the ingestion reports, or another export.
    private static func isFault(_ error: any Error) -> Bool {
        if case SnapshotExportError.busy = error { return false }
        return (error as? any OperationError)?.category != .unavailable
    }

    private func text(_ error: any Error) -> String { "\(error)" + (remedy(error).map { ": \($0)" } ?? "") }

    private struct Loop {
        var plan: ExportPlan
        var changes: RegistryChanges?
        var tickAtMs: Int64 = 0
        var isDue = false
        var freshSinceS: Int64 = .min
        var instants: (known: DailySchedule.Instants, untilMs: Int64)?
        /// Whether the clocks differed at the last turn.
        var isClockDoubtful = false
    }

    /// Looks for changes and exports, or waits: at most until the next look.
    private func turn(_ loop: inout Loop, _ stop: StopSignal) throws {
        let nowMs = SystemClock.monotonicMs()
        let changes = try loop.changes ?? RegistryChanges(databaseURL: databaseURL)
        loop.changes = changes
        let isChanged = try changes.look()
        if isChanged { loop.plan.changed(nowMs: nowMs) }
        if isChanged || nowMs >= loop.tickAtMs {
            try checkDue(&loop, changes, nowMs: nowMs)
            loop.tickAtMs = nowMs + SnapshotService.tickMs
        }
        let delayMs = loop.plan.delayMs(nowMs: nowMs, isDue: loop.isDue)
        guard delayMs == 0 else {
            stop.wait(ms: Int(min(delayMs ?? .max, SnapshotService.lookMs)))
            return
        }
        loop.plan.begin(nowMs: nowMs)
        try warnIfAhead(changes)
        loop.tickAtMs = nowMs
        try export(freshSinceS: loop.freshSinceS, stop)
        health?.succeeded()
        loop.plan.ended(nowMs: SystemClock.monotonicMs())
    }

    /// Determines whether a snapshot is due independent of changes.
    private func checkDue(_ loop: inout Loop, _ changes: RegistryChanges, nowMs: Int64) throws {
        let clock = ExportClock(databaseS: try changes.nowS(), machineS: settings.machineClockS())
        let nowS = clock.nowS
        report(clock, &loop)
        // Outside the known instants also after a clock was set back.
        if let schedule,
            loop.instants.map({ nowMs > $0.untilMs || nowS >= $0.known.nextS || nowS < $0.known.previousS }) ?? true
        {
            loop.instants = (try changes.instants(of: schedule, nowS: nowS), nowMs + SnapshotService.instantsLifeMs)
        }
        loop.freshSinceS = freshSinceS(nowS: nowS, scheduledS: loop.instants?.known.previousS)
        loop.isDue = isDue(freshSinceS: loop.freshSinceS, nowS: nowS)
    }

    /// Logs that the published snapshot was created in the future.
    private func warnIfAhead(_ changes: RegistryChanges) throws {
        let clock = ExportClock(databaseS: try changes.nowS(), machineS: settings.machineClockS())
        guard let published = folder.published(trusting: settings.key.publicKey),
            ExportClock.isAhead(createdS: published.created, nowS: clock.nowS)
        else { return }
        log.warning(
            "the published snapshot was created in the future, publishing again: scanners refuse it",
            [.version: published.version, .detail: SnapshotService.text(published.created)])
    }

    /// Logs that the clocks differ, when that begins.
    private func report(_ clock: ExportClock, _ loop: inout Loop) {
        if clock.isDoubtful, !loop.isClockDoubtful {
            let (database, center) = (SnapshotService.text(clock.databaseS), SnapshotService.text(clock.machineS))
            log.warning(
                "the clocks differ: snapshots are made by the earlier one",
                [.detail: "database \(database), center \(center)"])
        }
        loop.isClockDoubtful = clock.isDoubtful
    }

    private static func text(_ seconds: Int64) -> String {
        UTCTime.text(microseconds: seconds.multipliedReportingOverflow(by: 1_000_000).partialValue)
    }

    /// Returns the oldest acceptable creation time of the published snapshot, in seconds since 1970. A snapshot with a
    /// shorter lifetime than the center's default is due earlier (`Manifest.isDue`).
    ///
    /// - Parameter scheduledS: the last scheduled instant, if there is a schedule.
    func freshSinceS(nowS: Int64, scheduledS: Int64?) -> Int64 {
        max(scheduledS ?? .min, nowS - settings.expiresInS / 2)
    }

    func isDue(freshSinceS: Int64, nowS: Int64) -> Bool {
        folder.published(trusting: settings.key.publicKey).map { $0.isDue(freshSinceS: freshSinceS, nowS: nowS) }
            ?? true
    }

    @discardableResult
    func export(freshSinceS: Int64, _ stop: StopSignal = StopSignal()) throws -> SnapshotExporter.Outcome {
        var settings = settings
        settings.freshSinceS = freshSinceS
        // Without attendees there is nothing to publish, unless an earlier list was published.
        settings.allowEmpty = folder.manifest != nil
        return try SnapshotExporter(databaseURL: databaseURL, settings).run(stop)
    }
}
