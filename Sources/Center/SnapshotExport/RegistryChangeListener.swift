import LinuxSystem
import Postgres
import Runtime

/// Hears of every change of the registration list, by whomever it was made: triggers of the database tell it (migration 11). A
/// connection of its own, confined to one thread. A new one knows nothing of what changed before.
final class RegistryChangeListener {
    static let channel = "tapline_registry"

    private let connection: PostgresConnection

    init(databaseURL: String) throws {
        do {
            connection = try PostgresConnection(url: databaseURL, applicationName: "tapline-center snapshots")
            try connection.listen(RegistryChangeListener.channel)
        } catch { throw SnapshotExporter.explained(error) }
    }

    /// What was told since the last call: empty when nothing was changed. Never waits; throws when the connection is lost.
    func heard() throws -> [String] {
        do { return try connection.notifications().map(\.payload) } catch { throw SnapshotExporter.explained(error) }
    }

    /// By the clock of the database, which is the one that snapshots are made by. Seconds since 1970.
    func nowS() throws -> Int64 {
        do {
            return try connection.query("SELECT floor(extract(epoch FROM now()))::bigint").int(0, 0)
        } catch { throw SnapshotExporter.explained(error) }
    }

    /// Sleeps until something is to be heard, or `stop`, or for at most so long.
    func wait(_ stop: StopSignal, ms: Int) { _ = Poll.wait([connection.descriptor, stop.descriptor], timeoutMs: ms) }

    /// When `night` last was, and will be next, by the calendar of the database.
    func appointments(_ night: DailySchedule) throws -> DailySchedule.Appointments {
        do { return try night.appointments(connection) } catch { throw SnapshotExporter.explained(error) }
    }
}
