import LinuxSystem
import Postgres
import Runtime

/// Receives notifications about changes of the registration list.
///
/// Triggers of the database send them, whatever made the change. The listener has a separate connection; use it on one
/// thread. A new listener receives nothing about earlier changes.
final class RegistryChangeListener {
    static let channel = "tapline_registry"

    private let connection: PostgresConnection

    /// - Throws: `SnapshotExportError`.
    init(databaseURL: String) throws {
        do {
            connection = try PostgresConnection(url: databaseURL, applicationName: "tapline-center snapshots")
            try connection.listen(RegistryChangeListener.channel)
        } catch { throw SnapshotExportError(error) }
    }

    /// Returns the payloads received since the last call. Never blocks.
    ///
    /// - Throws: `SnapshotExportError` if the connection is lost.
    func receive() throws -> [String] {
        do { return try connection.notifications().map(\.payload) } catch { throw SnapshotExportError(error) }
    }

    /// Returns the time of the database, in seconds since 1970.
    ///
    /// - Throws: `SnapshotExportError`.
    func nowS() throws -> Int64 {
        do { return try connection.nowS() } catch { throw SnapshotExportError(error) }
    }

    /// Waits for a notification or for `stop`, at most `ms` milliseconds.
    func wait(_ stop: StopSignal, ms: Int) { _ = Poll.wait([connection.descriptor, stop.descriptor], timeoutMs: ms) }

    /// Returns the last and the next instant of a schedule, by the time zone data of the database.
    ///
    /// - Throws: `SnapshotExportError`.
    func instants(of schedule: DailySchedule, nowS: Int64) throws -> DailySchedule.Instants {
        do { return try schedule.instants(connection, nowS: nowS) } catch { throw SnapshotExportError(error) }
    }
}
