import Runtime

/// The header of a CSV file. Returns the cells of a record by column name.
struct CSVColumns<Column: Hashable & RawRepresentable<String>> {
    private let count: Int
    private let indices: [Column: Int]

    /// - Parameters:
    ///   - header: the first record of the file.
    ///   - column: maps a name in the header to a column. It returns `nil` for a column that is not read, and throws
    ///     for a column that is not allowed.
    /// - Throws: `RowError` if a column appears twice, and the errors of `column`.
    init(_ header: CSVReader.Record, _ column: (String) throws(RowError) -> Column?) throws(RowError) {
        var indices: [Column: Int] = [:]
        for (index, cell) in header.cells.enumerated() {
            guard let found = try column(cell ?? "") else { continue }
            guard indices.updateValue(index, forKey: found) == nil else {
                throw RowError(line: header.line, "column '\(cell ?? "")' appears twice")
            }
        }
        count = header.count
        self.indices = indices
    }

    var known: Set<Column> { Set(indices.keys) }

    /// - Throws: `RowError` if the record has another number of fields than the header.
    func check(_ record: CSVReader.Record) throws(RowError) {
        guard record.count == count else {
            throw RowError(line: record.line, "\(record.count) fields, but the header has \(count)")
        }
    }

    /// Returns the text of a cell of a checked record.
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
            throw RowError(line: record.line, "\(column.rawValue) '\(cell)' \(error)")
        }
        try RegistrationRow.checkLength(text, column.rawValue, record.line)
        return text.isEmpty ? nil : text
    }

    /// Returns the text of a cell that is stored in the database.
    ///
    /// - Returns: `nil` if the cell is empty or the file does not have the column.
    /// - Throws: `RowError` if the text is too long.
    func text(_ column: Column, _ record: CSVReader.Record) throws(RowError) -> String? {
        guard let text = cell(column, record) else { return nil }
        try RegistrationRow.checkLength(text, column.rawValue, record.line)
        return text
    }

    /// Returns the time in a cell, in microseconds since 1970.
    ///
    /// - Returns: `nil` if the cell is empty or the file does not have the column.
    /// - Throws: `RowError` if the text is not an RFC 3339 time.
    func time(_ column: Column, _ record: CSVReader.Record) throws(RowError) -> Int64? {
        guard let text = cell(column, record) else { return nil }
        guard let time = UTCTime.microseconds(text) else {
            throw RowError(
                line: record.line, "\(column.rawValue) '\(text)' is not an RFC 3339 time (2026-05-06T08:00:00Z)")
        }
        return time
    }
}

/// Decodes the records that follow the header of a CSV file.
protocol CSVRowDecoder {
    mutating func item(from record: CSVReader.Record) throws(RowError) -> RegistrationItem
}

extension CSVReader {
    /// Reads a CSV file with a header, and reports each row or its error.
    ///
    /// - Parameters:
    ///   - path: the file; `-` is standard input.
    ///   - makeDecoder: makes the decoder of the rows from the header.
    ///   - each: receives the rows in order.
    /// - Returns: the decoder, after all rows.
    /// - Throws: `RowError` if the file has no valid header, `SystemError`, and the errors of both closures.
    static func readRows<Decoder: CSVRowDecoder>(
        file path: String, header makeDecoder: (Record) throws -> Decoder, _ each: (RegistrationItem) throws -> Void
    ) throws -> Decoder {
        var decoder: Decoder?
        try read(file: path) { item in
            switch item {
            case .problem(let problem):
                guard decoder != nil else { throw problem }
                try each(.problem(problem))
            case .record(let record):
                guard decoder != nil else {
                    decoder = try makeDecoder(record)
                    return
                }
                let row: RegistrationItem?
                do throws(RowError) { row = try decoder?.item(from: record) } catch { row = .problem(error) }
                if let row { try each(row) }
            }
        }
        guard let decoder else { throw RowError(line: 1, "the file is empty") }
        return decoder
    }
}
