import Postgres
import RegistrationLists

/// Examples of times with an offset from UTC, in the time zone of the event.
struct TimeExamples {
    private let connection: PostgresConnection

    init(_ connection: PostgresConnection) { self.connection = connection }

    /// Adds an example to each time in a list that has no offset.
    func add(to rejected: inout ImportRejected) throws(PostgresError) {
        do { try rejected.addTimeExamples(example) } catch let error as PostgresError { throw error } catch {
            preconditionFailure("only the database can fail: \(error)")
        }
    }

    /// Returns the end of a sentence, with the time as it is written in the time zone of the event.
    ///
    /// - Parameters:
    ///   - local: a valid time without an offset; `nil`: the next full hour.
    ///   - endsDay: `local` is midnight, and the example is the end of the event day that begins on its date.
    private func example(_ local: String?, _ endsDay: Bool) throws(PostgresError) -> String {
        let found = try connection.query(
            """
            SELECT zone, to_char(local, 'YYYY-MM-DD"T"HH24:MI:SS') || CASE WHEN seconds < 0 THEN '-' ELSE '+' END
                || to_char(make_interval(secs => abs(seconds)), 'HH24:MI')
            FROM (
                SELECT zone, local, extract(epoch FROM local - ((local AT TIME ZONE zone) AT TIME ZONE 'UTC')) AS seconds
                FROM (
                    SELECT time_zone AS zone, coalesce($1::timestamp
                            + CASE WHEN $2 THEN interval '1 day' + day_start::interval ELSE interval '0' END,
                        date_trunc('hour', now() AT TIME ZONE time_zone) + interval '1 hour') AS local
                    FROM tapline.event_settings) l) s
            """, [.optional(local), .bool(endsDay)])
        let (zone, text) = (found.text(0, 0), found.text(0, 1))
        if endsDay { return ": for access until the end of that event day in \(zone), write \(text)" }
        return local == nil ? "; in \(zone), write as \(text)" : ": in \(zone), write \(text)"
    }
}

extension RegistryStore {
    /// Runs `body`. If it rejects a list, adds examples to its times without an offset from UTC.
    ///
    /// - Throws: the error of `body`; `PostgresError`.
    package func withTimeExamples<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch var rejected as ImportRejected {
            try TimeExamples(connection).add(to: &rejected)
            throw rejected
        }
    }
}
