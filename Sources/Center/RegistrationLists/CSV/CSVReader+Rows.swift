import TextRules

/// What was noticed in the form of a CSV file.
struct CSVNotes {
    private var shortRows = 0
    private var firstShortLine = 0

    fileprivate mutating func add(_ record: CSVReader.Record, columnCount: Int) {
        guard record.count < columnCount else { return }
        shortRows += 1
        if shortRows == 1 { firstShortLine = record.line }
    }

    /// What is probably wrong, as sentences without a full stop.
    var warnings: [String] {
        var found: [String] = []
        if shortRows > 0 {
            let rows = shortRows == 1 ? "1 row has" : "\(shortRows) rows have"
            found.append(
                "\(rows) fewer cells than the header (first in line \(firstShortLine)): the missing cells are empty")
        }
        return found
    }
}

extension CSVReader {
    /// Maximum number of names of columns in a message.
    static let shownNames = 20
    /// Number of records in which a header is looked for, if the first one is not a header.
    private static let headerSearchRecords = 30

    /// Reads a CSV file with a header, and reports each row or its error.
    ///
    /// - Parameters:
    ///   - path: the file; `-` is standard input.
    ///   - columns: names of the columns in lower case. They distinguish the header from lines above it.
    ///   - makeDecoder: makes the decoder of the rows from the header.
    ///   - each: receives the rows in order.
    /// - Returns: the decoder after all rows, and what was noticed.
    /// - Throws: `RowError` if the file has no valid header, `SystemError`, and the errors of both closures.
    static func readRows<Decoder: CSVRowDecoder>(
        file path: String, columns: some Collection<String>, header makeDecoder: (Record) throws -> Decoder,
        _ each: (RegistrationItem) throws -> Void
    ) throws -> (Decoder, CSVNotes) {
        var decoder: Decoder?
        var notes = CSVNotes()
        var search: HeaderSearch?
        try read(file: path) { item in
            if let current = search {
                if case .record(let record) = item { search = try current.next(record) }
                return
            }
            switch item {
            case .problem(let problem):
                guard decoder != nil else { throw problem }
                try each(.problem(problem))
            case .record(let record):
                guard let columnCount = decoder?.columnCount else {
                    do { decoder = try makeDecoder(record) } catch let error as RowError {
                        if let problem = FormatGuess.problem(record, Set(columns)) { throw problem }
                        search = HeaderSearch(record, error, Set(columns))
                    }
                    return
                }
                guard record.count >= columnCount || !record.isUnterminated else {
                    return try each(.problem(cutProblem(record, columnCount)))
                }
                notes.add(record, columnCount: columnCount)
                let row: RegistrationItem?
                do throws(RowError) { row = try decoder?.item(from: record) } catch { row = .problem(error) }
                if let row { try each(row) }
            }
        }
        if let search { throw search.error }
        guard let decoder else { throw RowError(line: 1, "the file is empty") }
        return (decoder, notes)
    }

    /// The missing cells of a short row are empty, and an empty cell deletes a value. So a cut row is not stored.
    private static func cutProblem(_ record: Record, _ columnCount: Int) -> RowError {
        RowError(
            line: record.line,
            "the file is cut off: its last row has no line end, and only \(record.count) of \(columnCount) cells. Copy or "
                + "export the file again; if the row is complete, add a line end")
    }

    /// Looks for the header below the first record, which is not a valid one.
    private struct HeaderSearch {
        let error: RowError
        private let line: Int
        private let columns: Set<String>
        /// A header has more names of columns than the first record.
        private var leastNames = 0
        private var records = 0

        init(_ first: Record, _ error: RowError, _ columns: Set<String>) {
            self.error = error
            self.columns = columns
            line = first.line
            leastNames = max(2, names(first) + 1)
        }

        /// - Throws: `RowError` if the record is the header; `error` if the search ends.
        func next(_ record: Record) throws(RowError) -> HeaderSearch {
            if let problem = FormatGuess.problem(record, columns) { throw problem }
            if names(record) >= leastNames {
                throw RowError(
                    line: line,
                    "this is not the header: line \(record.line) has the names of the columns. Delete the lines above it"
                )
            }
            guard records < CSVReader.headerSearchRecords else { throw error }
            var next = self
            next.records += 1
            return next
        }

        /// Returns the number of names of columns. Lines above the header can have misled the choice of the separator.
        private func names(_ record: Record) -> Int {
            record.cells.compactMap(\.self).flatMap { $0.split { $0 == "," || $0 == ";" || $0 == "\t" } }
                .count { columns.contains(String($0).trimmingInvisible.lowercased()) }
        }
    }
}
