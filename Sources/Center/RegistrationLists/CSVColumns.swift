import Runtime

/// The header of a CSV file, and the cells of its records by the names in it.
struct CSVColumns<Column: Hashable & RawRepresentable<String>> {
    private let count: Int
    private let indices: [Column: Int]

    /// - Parameter column: of a name in the header; nil: nobody reads it. Throws for one that must not be there.
    init(_ header: CSVReader.Record, _ column: (String) throws(RowError) -> Column?) throws(RowError) {
        var indices: [Column: Int] = [:]
        for (index, cell) in header.cells.enumerated() {
            guard let found = try column(cell ?? "") else { continue }
            guard indices.updateValue(index, forKey: found) == nil else {
                throw RowError(line: header.line, "column '\(cell ?? "")' stands there twice")
            }
        }
        (count, self.indices) = (header.count, indices)
    }

    var known: Set<Column> { Set(indices.keys) }

    /// Throws for a record of another length than the header.
    func check(_ record: CSVReader.Record) throws(RowError) {
        guard record.count == count else {
            throw RowError(line: record.line, "\(record.count) fields where the header has \(count)")
        }
    }

    /// Nil for an empty cell, and for a column that is not there. The record must have been checked.
    func cell(_ column: Column, _ record: CSVReader.Record) -> String? { indices[column].flatMap(record.cell) }

    /// The same for a text that is stored. Throws for one that is too long.
    func text(_ column: Column, _ record: CSVReader.Record) throws(RowError) -> String? {
        guard let text = cell(column, record) else { return nil }
        try RegistrationRow.checkLength(text, column.rawValue, record.line)
        return text
    }

    /// Microseconds since 1970.
    func time(_ column: Column, _ record: CSVReader.Record) throws(RowError) -> Int64? {
        guard let text = cell(column, record) else { return nil }
        guard let time = UTCTime.microseconds(text) else {
            throw RowError(
                line: record.line, "\(column.rawValue) '\(text)' is not an RFC 3339 time (2026-05-06T08:00:00Z)")
        }
        return time
    }
}
