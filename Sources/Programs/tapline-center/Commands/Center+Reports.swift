import CLI
import Postgres
import RegistrationLists
import Registry
import Reports

extension Center {
    static let reports: [Command] = Report.all.map(command)

    private enum Format: String, CaseIterable { case text, csv, json }

    /// Maximum duration of a report, in milliseconds. A day of millions of scans takes seconds.
    private static let reportTimeoutMs = 600_000

    private static func command(_ report: Report) -> Command {
        let day = Option("day", "YYYY-MM-DD", "event day (default the current one)")
        return Command(
            "report \(report.name)", report.summary,
            options: [databaseURL, Option("output", "text|csv|json", "output format", default: "text")]
                + (report.isOfDay ? [day] : []),
            details: """
                The query is SELECT * FROM \(report.function)(\(report.isOfDay ? "DAY" : "")). Times are those of the
                event's time zone.\(report.showsNames ? " It shows names of people." : "") CSV neutralises formulas.
                """
        ) { arguments in
            let url = try database(arguments)
            let format = try arguments.choice("output", Format.self) ?? .text
            let day = try report.isOfDay ? reportDay(arguments) : nil
            return {
                try withRegistry(url, statementTimeoutMs: reportTimeoutMs) { _, connection in
                    try Report.useEventTime(connection)
                    try show(report, day, format, connection)
                }
            }
        }
    }

    private static func reportDay(_ arguments: Arguments) throws -> ReportDay? {
        try arguments["day"].map { text in
            guard let day = ReportDay(text) else {
                throw ProgramError.configuration("--day \(text): a date is needed, as 2026-05-06")
            }
            return day
        }
    }

    private static func show(
        _ report: Report, _ day: ReportDay?, _ format: Format, _ connection: PostgresConnection
    ) throws {
        switch format {
        case .json: TextOutput.json(try Listing(connection, report.query(day: day), json: true).json)
        case .csv:
            let cells = report.columns.map { column in
                if case .text = column.kind {
                    "\(FormulaMark.markedSQL(column.name)) AS \(column.name)"
                } else {
                    column.name
                }
            }
            let query = "SELECT \(cells.joined(separator: ", ")) FROM (\(report.query(day: day))) report"
            try connection.copyOut("COPY (\(query)) TO STDOUT (FORMAT csv, HEADER)") { row in
                TextOutput.csv(String(decoding: row, as: UTF8.self))
            }
        case .text:
            let listing = try Listing(connection, report.tableQuery(day: day), json: false)
            TextOutput.lines(listing.table)
            let rows = listing.rows.count
            TextOutput.line("\(rows) \(rows == 1 ? "row" : "rows")\(day.map { ", event day \($0.text)" } ?? "")")
        }
    }
}
