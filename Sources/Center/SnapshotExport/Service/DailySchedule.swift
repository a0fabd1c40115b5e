import Postgres
import Snapshots

/// A time of day, in the event's time zone, at which a new snapshot is made each day.
package struct DailySchedule: Sendable {
    private let text: String

    /// Parses a time of day.
    ///
    /// - Parameter text: `HH:MM`. PostgreSQL resolves it on days with a clock change.
    /// - Throws: `SnapshotExportError.invalidTime`.
    package init(_ text: String) throws {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.count == 2 && $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), hour < 24, minute < 60
        else { throw SnapshotExportError.invalidTime(text) }
        self.text = text
    }

    /// The last and the next scheduled instant, in seconds since 1970.
    struct Instants: Equatable, Sendable {
        var previousS: Int64
        var nextS: Int64
    }

    /// Computes the instants around a time by the time zone data of the database.
    ///
    /// - Parameter nowS: the time, in seconds since 1970.
    func instants(_ connection: PostgresConnection, nowS: Int64) throws(PostgresError) -> Instants {
        // Two days in both directions, so that both instants exist on days with a clock change, too.
        let row = try connection.query(
            """
            WITH event AS (SELECT time_zone AS zone, to_timestamp($2) AS now FROM tapline.event_settings),
            instants AS (
                SELECT now, ((now AT TIME ZONE zone)::date + step + $1::time) AT TIME ZONE zone AS at
                FROM event, generate_series(-2, 2) AS step
            )
            SELECT floor(extract(epoch FROM max(at) FILTER (WHERE at <= now)))::bigint,
                floor(extract(epoch FROM min(at) FILTER (WHERE at > now)))::bigint
            FROM instants
            """, [.text(text), .double(Double(nowS))])
        return Instants(previousS: row.int(0, 0), nextS: row.int(0, 1))
    }
}

extension Manifest {
    /// Returns whether a new snapshot is due although the content has not changed.
    ///
    /// It is due if the snapshot is older than `freshSinceS`. It is also due if half of its lifetime is over, even if
    /// the lifetime is short. One from the future is due, too: scanners refuse it.
    ///
    /// - Parameters:
    ///   - freshSinceS: oldest acceptable creation time, in seconds since 1970.
    ///   - nowS: current time, in seconds since 1970.
    func isDue(freshSinceS: Int64, nowS: Int64) -> Bool {
        Manifest.isDue(createdS: created, expiresS: expires, freshSinceS: freshSinceS, nowS: nowS)
    }

    static func isDue(createdS: Int64, expiresS: Int64, freshSinceS: Int64, nowS: Int64) -> Bool {
        createdS < freshSinceS || nowS >= createdS + (expiresS - createdS) / 2
            || ExportClock.isAhead(createdS: createdS, nowS: nowS)
    }
}
