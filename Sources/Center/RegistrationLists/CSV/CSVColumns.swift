import Runtime
import TextRules

/// The header of a CSV file. Returns the cells of a record by column name.
struct CSVColumns<Column: Hashable & RawRepresentable<String>> {
    /// Number of cells in the header.
    let count: Int
    private let indices: [Column: Int]
    /// Cells of the header without a name. Spreadsheets write them for columns that were in use before.
    private let unnamed: [Int]

    /// - Parameters:
    ///   - header: the first record of the file.
    ///   - names: the columns by their names in lower case. A header can have blanks for their underscores.
    ///   - othersAreRead: `false`: columns with other names are ignored.
    /// - Throws: `RowError` if a column appears twice, or with all unknown names.
    init(_ header: CSVReader.Record, _ names: [String: Column], othersAreRead: Bool = true) throws(RowError) {
        var indices: [Column: Int] = [:]
        var unnamed: [Int] = []
        var unknown: [String] = []
        for (index, cell) in header.cells.enumerated() {
            guard let name = cell?.trimmingInvisible, !name.isEmpty else {
                unnamed.append(index)
                continue
            }
            let lowerCase = name.lowercased()
            guard let found = names[Self.plain(lowerCase, blank: " ")] ?? names[Self.plain(lowerCase, blank: "_")]
            else {
                unknown.append(name)
                continue
            }
            guard indices.updateValue(index, forKey: found) == nil else {
                throw RowError(line: header.line, "column '\(name)' appears twice")
            }
        }
        if othersAreRead, !unknown.isEmpty {
            let missing = names.filter { indices[$0.value] == nil }.keys
            let hint = header.count == 1 ? Self.otherSeparator(unknown[0]) : nil
            throw RowError(line: header.line, hint ?? Self.text(unknown, Array(missing), names))
        }
        count = header.count
        self.indices = indices
        self.unnamed = othersAreRead ? unnamed : []
    }

    /// Returns the error of a header that other characters separate than those of CSV files; `nil` for any other name.
    private static func otherSeparator(_ name: String) -> String? {
        name.first { "|،؛，；¦".contains($0) }.map {
            "'\($0)' separates the columns: save the file with commas, semicolons or tabs"
        }
    }

    /// Returns a name of a column with one sign for each blank, also an invisible one, and for each hyphen.
    private static func plain(_ name: String, blank: Character) -> String {
        String(
            name.map {
                $0 == "-" || $0 == "_" || $0.unicodeScalars.allSatisfy { $0 == " " || $0.isInvisible } ? blank : $0
            })
    }

    /// - Parameter missing: known names that the header does not have: what an unknown name can mean.
    private static func text(_ unknown: [String], _ missing: [String], _ names: [String: Column]) -> String {
        let shown = unknown.prefix(CSVReader.shownNames).map { name in
            "'\(name)'" + (NearestName.best(name, in: missing).map { " (do you mean '\($0)'?)" } ?? "")
        }
        let more = unknown.count > shown.count ? " and \(unknown.count - shown.count) more" : ""
        return "unknown column\(unknown.count == 1 ? "" : "s") \(shown.joined(separator: ", "))\(more); known are "
            + names.values.map(\.rawValue).sorted().joined(separator: ", ")
    }

    var known: Set<Column> { Set(indices.keys) }

    /// Checks that the text of a record is in columns of the header. Cells that are missing at its end are empty.
    ///
    /// - Throws: `RowError` if there is text outside the columns.
    func check(_ record: CSVReader.Record) throws(RowError) {
        guard record.count > count || !unnamed.isEmpty else { return }
        for index in unnamed {
            guard let text = record.cell(index) else { continue }
            throw RowError(line: record.line, "'\(text)' is in column \(index + 1), which has no name in the header")
        }
        for index in count..<max(count, record.count) where record.cell(index) != nil {
            throw RowError(line: record.line, "\(record.count) fields, but the header has \(count)")
        }
    }

    /// Returns the text of a cell of a checked record, as it is in the file.
    ///
    /// - Returns: `nil` if the cell is empty or the file does not have the column.
    func cell(_ column: Column, _ record: CSVReader.Record) -> String? { indices[column].flatMap(record.cell) }

    /// Returns the text of a cell that identifies an attendee or a tag.
    ///
    /// - Returns: `nil` if the cell is empty or the file does not have the column.
    /// - Throws: `RowError` if a spreadsheet has rounded the text, or if it is too long.
    func identifier(_ column: Column, _ record: CSVReader.Record) throws(RowError) -> String? {
        guard let cell = cell(column, record) else { return nil }
        let text: String
        do { text = try SpreadsheetText.identifier(cell) } catch {
            throw RowError(line: record.line, column.rawValue, cell, error)
        }
        try RegistrationRow.checkLength(text, column.rawValue, record.line)
        return text.isEmpty ? nil : text
    }

    /// Returns the reference of an attendee in another system.
    ///
    /// - Returns: `nil` if the cell is empty or the file does not have the column.
    /// - Throws: `RowError` as `identifier`, and by `RegistrationRow.checkReference`.
    func reference(_ column: Column, _ record: CSVReader.Record) throws(RowError) -> String? {
        guard let text = try identifier(column, record) else { return nil }
        do throws(CellError) { try RegistrationRow.checkReference(text) } catch {
            throw RowError(line: record.line, column.rawValue, text.visibleInLine, error)
        }
        return text
    }

    /// Returns the text of a cell, without the mark of spreadsheets.
    ///
    /// - Returns: `nil` if the cell is empty or the file does not have the column.
    func unmarked(_ column: Column, _ record: CSVReader.Record) -> String? {
        cell(column, record).map(FormulaMark.unmarked)
    }

    /// Returns the text of a cell that is stored in the database, without the mark of spreadsheets. Blanks and
    /// invisible characters at its ends are taken off.
    ///
    /// - Returns: `nil` if the cell is empty or the file does not have the column.
    /// - Throws: `RowError` if the text is too long, or holds a control character.
    func text(_ column: Column, _ record: CSVReader.Record) throws(RowError) -> String? {
        guard let text = unmarked(column, record)?.trimmingInvisible, !text.isEmpty else { return nil }
        try RegistrationRow.checkText(text, column.rawValue, record.line)
        return text
    }

    /// Returns the time in a cell, in microseconds since 1970.
    ///
    /// - Parameter isEnd: whether the time ends a period.
    /// - Returns: `nil` if the cell is empty or the file does not have the column.
    /// - Throws: `RowError` if the text is not an RFC 3339 time in a year of `RegistrationRow.years`.
    func time(_ column: Column, _ record: CSVReader.Record, isEnd: Bool = false) throws(RowError) -> Int64? {
        guard let text = cell(column, record) else { return nil }
        do throws(CellError) { return try RegistrationRow.time(text, isEnd: isEnd) } catch {
            throw RowError(line: record.line, column.rawValue, text, error)
        }
    }
}

/// Decodes the records that follow the header of a CSV file.
protocol CSVRowDecoder {
    /// Number of cells in the header.
    var columnCount: Int { get }
    mutating func item(from record: CSVReader.Record) throws(RowError) -> RegistrationItem
}
