import CLI
import Postgres

/// A time of day by the event's own clock, at which a snapshot is made each night.
package struct DailySchedule: Sendable {
    private let text: String

    /// - Parameter text: `HH:MM`, local time of the event; PostgreSQL knows what that means on the days the clocks change.
    ///   Throws `ProgramError` (configuration) for anything else.
    package init(_ text: String) throws {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.count == 2 && $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), hour < 24, minute < 60
        else { throw ProgramError.configuration("--snapshot-at \(text): a time of day as HH:MM is needed") }
        self.text = text
    }

    /// Two instants, in seconds since 1970.
    struct Appointments: Equatable, Sendable {
        /// The last one that has passed.
        var previousS: Int64
        var nextS: Int64
    }

    /// The instants around now.
    func appointments(_ connection: PostgresConnection) throws(PostgresError) -> Appointments {
        // Two days either way, so that no change of the clocks leaves a side empty.
        let row = try connection.query(
            """
            WITH event AS (SELECT time_zone AS zone FROM tapline.event_settings),
            instants AS (
                SELECT ((now() AT TIME ZONE zone)::date + step + $1::time) AT TIME ZONE zone AS at
                FROM event, generate_series(-2, 2) AS step
            )
            SELECT floor(extract(epoch FROM max(at) FILTER (WHERE at <= now())))::bigint,
                floor(extract(epoch FROM min(at) FILTER (WHERE at > now())))::bigint
            FROM instants
            """, [.text(text)])
        return Appointments(previousS: row.int(0, 0), nextS: row.int(0, 1))
    }
}
