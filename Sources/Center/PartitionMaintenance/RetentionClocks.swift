import LinuxSystem
package import Postgres
import Runtime

/// The clocks that a deletion relies on: those of the database and of the center, and the receipt of the newest batch.
///
/// A scan that was dropped never returns: a scanner that sends it again reports a duplicate. So no clock is believed
/// alone.
package struct RetentionClocks: Sendable, Equatable {
    /// Maximum difference between the clocks of database and center, in seconds. The skew of a scanner raises an alert
    /// from the same difference on.
    package static let differenceLimitS: Int64 = 300
    /// Maximum age of the newest batch, in days, and never more than `keepDays`. It allows for the days between two
    /// parts of an event.
    package static let silenceLimitDays: Int64 = 7

    /// Why nothing may be dropped. The description is for the user.
    package enum Disagreement: Sendable, Equatable, CustomStringConvertible {
        /// The clocks of database and center.
        case clocks(databaseMicros: Int64, centerMicros: Int64)
        /// The newest batch was received after the present time.
        case futureBatch(heardMicros: Int64, nowMicros: Int64)
        /// No batch was received for a long time, or the clocks are ahead.
        case noNewBatch(heardMicros: Int64, nowMicros: Int64)

        /// The times in UTC.
        package var description: String {
            switch self {
            case .clocks(let database, let center):
                "the clock of the database shows \(Self.text(database)), and that of the center \(Self.text(center))"
            case .futureBatch(let heard, let now):
                "the newest batch was received at \(Self.text(heard)), and the clocks show \(Self.text(now))"
            case .noNewBatch(let heard, let now):
                "no batch was received since \(Self.text(heard)), and the clocks show \(Self.text(now)): the event is "
                    + "over, or the clocks are ahead"
            }
        }

        private static func text(_ micros: Int64) -> String { UTCTime.text(microseconds: micros) }
    }

    /// The clock of the database, in microseconds since 1970-01-01 UTC.
    let databaseMicros: Int64
    /// The clock of the center, in the same unit.
    let centerMicros: Int64
    /// Receipt of the newest batch by the clock of a center, in the same unit; `nil` without any batch.
    let heardMicros: Int64?

    init(databaseMicros: Int64, centerMicros: Int64, heardMicros: Int64?) {
        self.databaseMicros = databaseMicros
        self.centerMicros = centerMicros
        self.heardMicros = heardMicros
    }

    /// Reads the clocks.
    ///
    /// - Parameters:
    ///   - connection: the database.
    ///   - centerMicros: returns the clock of the center, in microseconds since 1970-01-01 UTC.
    /// - Throws: `PostgresError`.
    package init(
        _ connection: PostgresConnection, centerMicros: () -> Int64 = SystemClock.nowMicroseconds
    ) throws(PostgresError) {
        // The slow part first: both clocks are read within one round trip.
        let heard = try connection.query("SELECT max(last_received_at) FROM tapline.journals", binary: true)
        let now = try connection.query("SELECT clock_timestamp()", binary: true)
        self.init(
            databaseMicros: now.microseconds(0, 0), centerMicros: centerMicros(),
            heardMicros: heard.optionalMicroseconds(0, 0))
    }

    /// Difference between the clocks of database and center, in seconds.
    var apartS: Int64 { Int64(clamping: Self.distance(databaseMicros, centerMicros).magnitude / 1_000_000) }

    /// Returns why nothing may be dropped; `nil` if the clocks agree.
    ///
    /// - Parameter keepDays: scans of this age may be dropped; in days.
    package func disagreement(keepDays: Int) -> Disagreement? {
        let limit = RetentionClocks.differenceLimitS * 1_000_000
        guard Self.distance(databaseMicros, centerMicros).magnitude <= limit else {
            return .clocks(databaseMicros: databaseMicros, centerMicros: centerMicros)
        }
        guard let heardMicros else { return nil }
        let now = min(databaseMicros, centerMicros)
        guard Self.distance(heardMicros, now) <= limit else {
            return .futureBatch(heardMicros: heardMicros, nowMicros: now)
        }
        let silence = min(RetentionClocks.silenceLimitDays, Int64(keepDays)) * 86_400_000_000
        guard Self.distance(now, heardMicros) > silence else { return nil }
        return .noNewBatch(heardMicros: heardMicros, nowMicros: now)
    }

    /// Returns `first - second`, clamped. The database may hold any time, also `infinity`.
    static func distance(_ first: Int64, _ second: Int64) -> Int64 {
        let (difference, overflows) = first.subtractingReportingOverflow(second)
        return overflows ? (first < second ? .min : .max) : difference
    }
}
