package import Postgres

/// A report of an event day: a function of the schema `tapline`, its columns, and how they are shown.
package struct Report: Sendable {
    /// How a column is shown and exported.
    package enum Kind: Equatable, Sendable {
        /// A text from outside, cut to a width in a table for people. In CSV a formula is neutralised.
        case text(width: Int)
        /// A time, shown in the time zone of the event.
        case time
        /// A number.
        case number
    }

    /// A column of the result.
    package struct Column: Sendable {
        /// Its name in SQL.
        package let name: String
        /// Its heading in a table for people.
        package let heading: String
        /// How it is shown.
        package let kind: Kind
    }

    /// Name of the report, the word after `report`.
    package let name: String
    /// What it answers, in one line.
    package let summary: String
    /// Name of the function, with its schema.
    package let function: String
    /// Whether it is of a day. The others are of the present moment.
    package let isOfDay: Bool
    /// Whether it shows names of people.
    package let showsNames: Bool
    /// The columns, in the order of the function.
    package let columns: [Column]

    private init(
        _ name: String, _ summary: String, isOfDay: Bool = true, showsNames: Bool = false,
        _ columns: [(String, String, Kind)]
    ) {
        self.name = name
        self.summary = summary
        function = "tapline.report_" + name.split(separator: "-").joined(separator: "_")
        self.isOfDay = isOfDay
        self.showsNames = showsNames
        self.columns = columns.map { Column(name: $0.0, heading: $0.1, kind: $0.2) }
    }

    /// All reports, in the order of the documentation.
    package static let all = [
        Report(
            "arrivals", "first passages of people by quarter of an hour",
            [("slot", "from", .time), ("arrived", "arrived", .number), ("arrived_total", "total", .number)]),
        Report(
            "dwell", "how long people stayed in each zone, in minutes",
            [
                ("zone", "zone", .text(width: 28)), ("visits", "visits", .number), ("people", "people", .number),
                ("open_visits", "open", .number), ("mean_min", "mean", .number),
                ("median_min", "median", .number), ("p90_min", "p90", .number),
                ("longest_min", "longest", .number),
            ]),
        Report(
            "no-shows", "active attendees with a pass and without a passage", showsNames: true,
            [
                ("attendee_id", "attendee", .number), ("name", "name", .text(width: 26)),
                ("category", "category", .text(width: 14)), ("external_ref", "reference", .text(width: 16)),
                ("pass", "pass", .text(width: 14)), ("tags", "tags", .number),
            ]),
        Report(
            "refusals", "refused taps by gate and reason",
            [
                ("gate", "gate", .text(width: 30)), ("reason", "reason", .text(width: 16)),
                ("verdict", "verdict", .number), ("refused", "refused", .number), ("tags", "tags", .number),
            ]),
        Report(
            "reentries", "entries from off site, and those after the first of a person",
            [
                ("gate", "gate", .text(width: 40)), ("entries", "entries", .number),
                ("reentries", "re-entries", .number), ("people", "people", .number),
            ]),
        Report(
            "late", "scans that arrived more than 5 minutes after their time",
            [
                ("scanner_id", "scanner", .text(width: 16)), ("gate", "gate", .text(width: 14)),
                ("late_scans", "late", .number), ("longest_min", "longest", .number),
                ("first_time", "first", .time), ("last_time", "last", .time), ("last_received_at", "arrived", .time),
            ]),
        Report(
            "categories", "expected and arrived people by category",
            [
                ("category", "category", .text(width: 40)), ("expected", "expected", .number),
                ("arrived", "arrived", .number), ("percent", "%", .number), ("passages", "passages", .number),
            ]),
        Report(
            "busiest", "the quarter of an hour with the most passages, of the site (no gate) and of each gate",
            [
                ("gate", "gate", .text(width: 30)), ("slot", "from", .time), ("passed_in", "in", .number),
                ("passed_out", "out", .number), ("per_hour", "an hour", .number),
            ]),
        Report(
            "muster", "the people inside now, by zone", isOfDay: false, showsNames: true,
            [
                ("zone", "zone", .text(width: 12)), ("name", "name", .text(width: 20)),
                ("category", "category", .text(width: 9)), ("external_ref", "reference", .text(width: 11)),
                ("since", "since", .time), ("gate", "gate", .text(width: 10)),
                ("attendee_id", "attendee", .number), ("tag_id", "tag", .number),
            ]),
    ]

    /// Returns the query with all columns.
    ///
    /// - Parameter day: the event day as YYYY-MM-DD; `nil` for the current one.
    package func query(day: ReportDay?) -> String {
        "SELECT \(columns.map(\.name).joined(separator: ", ")) FROM \(call(day))"
    }

    /// Returns the query for a table of at most 100 columns of text. Times have the format of the session's time zone.
    package func tableQuery(day: ReportDay?) -> String {
        let shown = columns.filter { $0.name != "tag_id" }.map { column in
            switch column.kind {
            case .text(let width): #"left(\#(column.name), \#(width)) AS "\#(column.heading)""#
            case .time: #"to_char(\#(column.name), 'MM-DD HH24:MI') AS "\#(column.heading)""#
            case .number: #"\#(column.name) AS "\#(column.heading)""#
            }
        }
        return "SELECT \(shown.joined(separator: ", ")) FROM \(call(day))"
    }

    private func call(_ day: ReportDay?) -> String {
        guard isOfDay else { return "\(function)()" }
        return "\(function)(\(day.map { "date '\($0.text)'" } ?? "NULL"))"
    }

    /// Sets the time zone of the session to that of the event.
    ///
    /// - Throws: `PostgresError`.
    package static func useEventTime(_ connection: PostgresConnection) throws(PostgresError) {
        try connection.query("SELECT set_config('TimeZone', time_zone, false) FROM tapline.event_settings")
    }
}

/// An event day, a valid date. Its text can be a part of SQL.
package struct ReportDay: Equatable, Sendable {
    /// YYYY-MM-DD.
    package let text: String

    /// - Returns: `nil` unless the text is a date of the years 2000 to 2199, as YYYY-MM-DD.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.count) == [4, 2, 2],
            text.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]),
            (2_000...2_199).contains(year), (1...12).contains(month)
        else { return nil }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
        guard (1...days).contains(day) else { return nil }
        self.text = text
    }
}
