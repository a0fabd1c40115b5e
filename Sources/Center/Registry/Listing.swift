package import Postgres
import TextRules

/// The rows of a query as aligned columns, or as a JSON array of objects.
package struct Listing: Sendable {
    /// Names of the columns, in the order of the query.
    package let columns: [String]
    /// NULL is the empty text. Invisible characters and line breaks are shown by their numbers.
    package let rows: [[String]]
    /// In the format of PostgreSQL: times in ISO 8601, NULL as null.
    package let json: String

    /// Runs a query.
    ///
    /// - Parameters:
    ///   - sql: a SELECT that names all columns, without a semicolon.
    ///   - json: whether the result is needed as `json`. `columns` and `rows` are then empty; otherwise `json` is
    ///     empty.
    package init(
        _ connection: PostgresConnection, _ sql: String, _ parameters: [PostgresParameter] = [], json: Bool
    ) throws(PostgresError) {
        if json {
            let result = try connection.query(
                "SELECT coalesce(json_agg(to_json(listing)), '[]') FROM (\(sql)) listing", parameters)
            (columns, rows, self.json) = ([], [], result.text(0, 0))
            return
        }
        let result = try connection.query(sql, parameters)
        columns = (0..<result.columnCount).map(result.columnName)
        // Here, because the width of a column counts the characters that are shown.
        rows = (0..<result.rowCount).map { row in (0..<result.columnCount).map { result.text(row, $0).visibleInLine } }
        self.json = ""
    }

    /// Rows that come from no query.
    ///
    /// - Parameters:
    ///   - columns: names of the columns.
    ///   - rows: as many texts in each row.
    package init(columns: [String], rows: [[String]]) {
        self.columns = columns
        self.rows = rows.map { $0.map(\.visibleInLine) }
        json = ""
    }

    /// The header and the rows in columns with two blanks between them; numbers are right-aligned.
    package var table: [String] { TextTable(columns: columns, rows: rows).lines() }

    /// The same for a terminal of 100 columns: the widest texts are cut.
    package var terminalTable: [String] {
        TextTable(columns: columns, rows: rows).lines(atMost: TextTable.terminalWidth)
    }
}
