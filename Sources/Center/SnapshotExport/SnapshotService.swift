import LinuxSystem
import Minisign
package import Runtime

/// Keeps what is published current, inside the center: soon after the registration list has changed, each night, when half
/// of its time until expiry is over, and at the start, when nothing is published or it does not fit together.
///
/// It has connections of its own and takes no lock that a scan could wait for. Several centers on one database take turns: each
/// publishes in its own folder, or the first for all in a common one.
package struct SnapshotService: Sendable {
    /// How often the wall clock is looked at, and a manifest that somebody damaged is noticed.
    static let tickMs: Int64 = 30_000
    /// How long a computed instant is believed: somebody may move the event to another time zone.
    static let appointmentLifeMs: Int64 = 600_000

    private let databaseURL: String
    private let settings: SnapshotExporter.Settings
    private let night: DailySchedule?
    /// As it is at the start.
    var plan = ExportPlan()
    private let log = Log("snapshots")
    private var folder: PublishedFolder { PublishedFolder(path: settings.folder) }

    /// - Parameter night: when there is a new version whatever has changed; nil: only when something has, or expiry nears.
    package init(databaseURL: String, _ settings: SnapshotExporter.Settings, night: DailySchedule? = nil) {
        (self.databaseURL, self.settings, self.night) = (databaseURL, settings, night)
    }

    /// The part of the daemon. It never fails: what goes wrong is logged and tried again.
    package func service() -> Service { .thread("snapshots") { stop in self.run(stop) } }

    func run(_ stop: StopSignal) {
        var plan = plan
        var watch: RegistryChangeListener?
        var appointments: (known: DailySchedule.Appointments, untilMs: Int64)?
        // What scanners can install must not wait for a database that may be away.
        folder.mendIfIdle(trusting: settings.key.publicKey)
        while !stop.isStopped {
            let nowMs = SystemClock.monotonicMs()
            do {
                let (listening, isNew) =
                    try watch.map { ($0, false) } ?? (RegistryChangeListener(databaseURL: databaseURL), true)
                watch = listening
                let nowS = try listening.nowS()
                if let night, appointments.map({ nowMs > $0.untilMs || nowS >= $0.known.nextS }) ?? true {
                    appointments = (try listening.appointments(night), nowMs + SnapshotService.appointmentLifeMs)
                }
                // After all that is asked, for with an answer a message may come, and then nothing more to wait for. While nobody
                // listened, anything may have happened.
                if try !listening.heard().isEmpty || isNew { plan.changed(nowMs: nowMs) }
                let freshSinceS = freshSinceS(nowS: nowS, nightS: appointments?.known.previousS)
                let delayMs = plan.delayMs(nowMs: nowMs, isOwed: isOwed(freshSinceS: freshSinceS, nowS: nowS))
                guard delayMs == 0 else {
                    let waitMs = Int(min(delayMs ?? .max, SnapshotService.tickMs))
                    // More changes are no news while one waits.
                    if plan.isChanged { stop.wait(ms: waitMs) } else { listening.wait(stop, ms: waitMs) }
                    continue
                }
                plan.begin(nowMs: nowMs)
                try export(freshSinceS: freshSinceS, stop)
                plan.ended(nowMs: SystemClock.monotonicMs())
            } catch let refusal as ExportRefusal {
                if refusal == .empty {
                    log.info("nothing is published yet", [.reason: refusal.description])
                } else {
                    log.error("the registration list is not published", [.reason: refusal.description])
                }
                plan.refused(nowMs: SystemClock.monotonicMs())
            } catch {
                if stop.isStopped { return }
                // The next one looks whether the database is there.
                watch = nil
                folder.mendIfIdle(trusting: settings.key.publicKey)
                let delayMs = plan.failed(nowMs: SystemClock.monotonicMs())
                log.warning("no snapshot now, trying again", [.error: "\(error)", .delayMs: delayMs])
                stop.wait(ms: Int(delayMs))
            }
        }
    }

    /// A snapshot made before this is to be followed by another, though nothing has changed; one that expires sooner than the
    /// center's own, sooner (`Manifest.isDue`). Seconds since 1970.
    func freshSinceS(nowS: Int64, nightS: Int64?) -> Int64 { max(nightS ?? .min, nowS - settings.expiresInS / 2) }

    func isOwed(freshSinceS: Int64, nowS: Int64) -> Bool {
        folder.published(trusting: settings.key.publicKey).map { $0.isDue(freshSinceS: freshSinceS, nowS: nowS) }
            ?? true
    }

    @discardableResult
    func export(freshSinceS: Int64, _ stop: StopSignal = StopSignal()) throws -> SnapshotExporter.Outcome {
        var settings = settings
        settings.freshSinceS = freshSinceS
        // Before anybody is registered there is nothing to tell the gates.
        settings.allowEmpty = folder.manifest != nil
        return try SnapshotExporter(databaseURL: databaseURL, settings).run(stop)
    }
}
