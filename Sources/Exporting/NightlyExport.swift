internal import Postgres
public import Runtime
internal import Snapshots

/// Exports a snapshot each night, inside the center; and at its start, when none is published yet or last night's is
/// missing.
public struct NightlyExport: Sendable {
    /// How often the wall clock is looked at, and a manifest that somebody damaged is noticed.
    static let tickMs = 30_000
    /// How long a computed instant is believed: somebody may move the event to another time zone.
    static let scheduleLifeMs: Int64 = 600_000
    /// The first wait after a failure, and the longest: the database may be away for hours, and an event that has no name
    /// or no tags yet gets them by hand.
    static let (backoffBaseMs, backoffCapMs) = (2_000, 60_000)

    private let databaseURL: String
    private let settings: SnapshotExport.Settings
    private let time: String
    private let log = Log("nightly-export")

    /// - Parameter time: `HH:MM`, local time of the event; PostgreSQL knows what that means on the days the clocks change.
    ///   Throws `ProgramError` (configuration) for anything else.
    public init(databaseURL: String, _ settings: SnapshotExport.Settings, at time: String) throws {
        let parts = time.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.count == 2 && $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), hour < 24, minute < 60
        else { throw ProgramError.configuration("--snapshot-at \(time): a time of day as HH:MM is needed") }
        self.databaseURL = databaseURL
        self.settings = settings
        self.time = time
    }

    /// Two instants, in seconds since 1970.
    struct Schedule: Equatable, Sendable {
        /// The last one that has passed.
        var previousS: Int64
        var nextS: Int64
    }

    /// Whether a snapshot is owed: none is published, or only one from before the last appointed time.
    static func isDue(publishedCreatedS: Int64?, _ schedule: Schedule) -> Bool {
        publishedCreatedS.map { $0 < schedule.previousS } ?? true
    }

    /// The part of the daemon. It never fails: what goes wrong is logged and tried again, from 2 s to a minute later.
    public func service() -> Service { .thread("nightly-export") { stop in self.run(stop) } }

    func run(_ stop: StopSignal) {
        var schedule: Schedule?
        var computedMs = SystemClock.monotonicMs()
        var backoff = Backoff(baseMs: NightlyExport.backoffBaseMs, capMs: NightlyExport.backoffCapMs)
        while !stop.isStopped {
            do {
                let nowS = SystemClock.nowMicroseconds() / 1_000_000
                let isStale = SystemClock.monotonicMs() - computedMs > NightlyExport.scheduleLifeMs
                if schedule.map({ nowS >= $0.nextS }) ?? true || isStale {
                    schedule = try self.schedule()
                    computedMs = SystemClock.monotonicMs()
                }
                if let schedule { try exportIfDue(schedule, stop) }
                backoff.reset()
                stop.wait(ms: NightlyExport.tickMs)
            } catch {
                if stop.isStopped { return }
                schedule = nil
                let delayMs = max(1_000, backoff.nextDelayMs())
                log.warning("no snapshot yet, trying again", [.error: "\(error)", .delayMs: delayMs])
                stop.wait(ms: delayMs)
            }
        }
    }

    /// Gives the manifest of what it exported; nil when nothing is owed.
    @discardableResult
    func exportIfDue(_ schedule: Schedule, _ stop: StopSignal = StopSignal()) throws -> Manifest? {
        let published = PublishedFolder(path: settings.folder).published(trusting: settings.key.publicKey)
        guard NightlyExport.isDue(publishedCreatedS: published?.created, schedule) else { return nil }
        var settings = settings
        // Before anybody is registered there is nothing to tell the gates.
        settings.allowEmpty = published != nil
        return try SnapshotExport(databaseURL: databaseURL, settings).run(stop)
    }

    /// The appointed times around now, by the database's calendar.
    func schedule() throws -> Schedule {
        do {
            let connection = try PostgresConnection(url: databaseURL, applicationName: "tapline-nightly-export")
            // Two days either way, so that no change of the clocks leaves a side empty.
            let row = try connection.query(
                """
                WITH event AS (SELECT coalesce((SELECT time_zone FROM tapline.event), 'Etc/UTC') AS zone),
                instants AS (
                    SELECT ((now() AT TIME ZONE zone)::date + step + $1::time) AT TIME ZONE zone AS at
                    FROM event, generate_series(-2, 2) AS step
                )
                SELECT floor(extract(epoch FROM max(at) FILTER (WHERE at <= now())))::bigint,
                    floor(extract(epoch FROM min(at) FILTER (WHERE at > now())))::bigint
                FROM instants
                """, [.text(time)])
            return Schedule(previousS: row.int(0, 0), nextS: row.int(0, 1))
        } catch {
            throw SnapshotExport.explained(error)
        }
    }
}
