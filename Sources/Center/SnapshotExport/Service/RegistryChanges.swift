import Postgres

/// Finds changes of the registration list.
///
/// Triggers of the database record each transaction that changed it (`tapline_internal.registry_changes`), whatever
/// program made the change. Notifications are not used, because everyone who may connect can send any number of them.
/// While a center does not read them, their full queue would refuse the changes themselves.
final class RegistryChanges {
    /// Number of transactions that stay recorded.
    private static let kept = 1_000

    private let connection: PostgresConnection
    /// The transactions that the last look has seen, as `pg_snapshot`.
    private var seen: String?

    /// - Throws: `SnapshotExportError`.
    init(databaseURL: String) throws {
        do {
            connection = try PostgresConnection(url: databaseURL, applicationName: "tapline-center snapshots")
        } catch { throw SnapshotExportError(error) }
    }

    /// Returns whether a transaction has changed the list and was committed since the last call.
    ///
    /// The first call returns `true`, because nothing is known of earlier changes.
    ///
    /// - Throws: `SnapshotExportError`.
    func look() throws -> Bool {
        do {
            // The snapshot of the statement itself, so that each commit is before or after it. Numbers at or above its
            // end come from another cluster, by a restore.
            let row = try connection.query(
                """
                SELECT pg_current_snapshot()::text, $1::text IS NULL OR EXISTS (
                    SELECT FROM tapline_internal.registry_changes
                    WHERE transaction < pg_snapshot_xmax(pg_current_snapshot())
                        AND NOT pg_visible_in_snapshot(transaction, $1::text::pg_snapshot))
                """, [.optional(seen)])
            seen = row.text(0, 0)
            let isChanged = row.bool(0, 1)
            if isChanged {
                // The newest ones are enough for the looks of other centers. No clock decides.
                try connection.execute(
                    """
                    DELETE FROM tapline_internal.registry_changes
                    WHERE transaction >= pg_snapshot_xmax(pg_current_snapshot()) OR transaction <= (
                        SELECT transaction FROM tapline_internal.registry_changes
                        WHERE transaction < pg_snapshot_xmax(pg_current_snapshot())
                        ORDER BY transaction DESC OFFSET \(RegistryChanges.kept) LIMIT 1)
                    """)
            }
            return isChanged
        } catch { throw SnapshotExportError(error) }
    }

    /// Returns the time of the database, in seconds since 1970.
    ///
    /// - Throws: `SnapshotExportError`.
    func nowS() throws -> Int64 {
        do { return try connection.nowS() } catch { throw SnapshotExportError(error) }
    }

    /// Returns the last and the next instant of a schedule, by the time zone data of the database.
    ///
    /// - Throws: `SnapshotExportError`.
    func instants(of schedule: DailySchedule, nowS: Int64) throws -> DailySchedule.Instants {
        do { return try schedule.instants(connection, nowS: nowS) } catch { throw SnapshotExportError(error) }
    }
}
