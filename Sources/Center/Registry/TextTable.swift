import TextRules

/// Rows as aligned columns for a terminal.
package struct TextTable: Sendable {
    /// The width that lists keep to, in characters.
    package static let terminalWidth = 100
    /// A column is not made narrower than this, in characters.
    private static let leastWidth = 6

    private let columns: [String]
    private let rows: [[String]]

    /// Creates a table. Each row has a text for each column.
    package init(columns: [String], rows: [[String]]) {
        self.columns = columns
        self.rows = rows.map { $0.map(\.visibleInLine) }
    }

    /// Returns the header and the rows, with two blanks between columns; numbers are right-aligned.
    ///
    /// - Parameter limit: maximum width. The widest texts are cut, and end with an ellipsis; numbers never are. `nil`: no
    ///   text is cut.
    package func lines(atMost limit: Int? = nil) -> [String] {
        let numeric = columns.indices.map { column in
            !rows.isEmpty && rows.allSatisfy { $0[column].isEmpty || Self.isNumber($0[column]) }
        }
        var widths = columns.indices.map { column in
            ([columns[column]] + rows.map { $0[column] }).map(\.count).max() ?? 0
        }
        if let limit {
            while widths.reduce(2 * (widths.count - 1), +) > limit,
                let widest = widths.indices.filter({ !numeric[$0] }).max(by: { widths[$0] < widths[$1] }),
                widths[widest] > Self.leastWidth
            { widths[widest] -= 1 }
        }
        return ([columns] + rows).map { cells in
            var line = ""
            for column in columns.indices {
                let cell = Self.cut(cells[column], to: widths[column])
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                line += (column > 0 ? "  " : "") + (numeric[column] ? padding + cell : cell + padding)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    /// Whether a text is a whole number, or a number with decimal places.
    private static func isNumber(_ text: String) -> Bool {
        Int64(text) != nil || Double(text) != nil && text.utf8.allSatisfy { "-.0123456789".utf8.contains($0) }
    }

    private static func cut(_ text: String, to width: Int) -> String {
        text.count <= width ? text : text.prefix(max(0, width - 1)) + "…"
    }
}
