/// Passes with their access, as CSV: one row an access, a pass may have several rows, or one without a zone.
///
/// The header names the columns, in any order: `name`, `zone`, `valid_from`, `valid_until` (RFC 3339), `colour`,
/// `note`, `reentry` (`gate`, `free`, `none`). A column that is not there leaves what the database has; an empty cell
/// empties it, or is what another row of the pass says.
package struct PassCSV: Sendable {
    package enum Column: String, CaseIterable {
        case name, colour, note, reentry, zone
        case validFrom = "valid_from"
        case validUntil = "valid_until"
    }

    package struct Access: Hashable, Sendable {
        package let zone: String
        package let from: Int64?
        package let until: Int64?
    }

    package struct Entry: Sendable {
        package let line: Int
        package let name: String
        /// Of colour, note and reentry, where a row has one.
        package var texts: [Column: String] = [:]
        package var access: [Access] = []
    }

    /// Of the texts; what has no column stays as it is.
    package let columns: Set<Column>
    /// In the order of the file.
    package private(set) var entries: [Entry] = []

    /// Reads the file; `-` is standard input. Throws `ImportRejected` that names every bad row, `SystemError`.
    package init(_ path: String) throws {
        var columns: CSVColumns<Column>?
        var refused = ImportRejected()
        var builder = Builder()
        do {
            try CSVReader.read(file: path) { item in
                do throws(RowError) {
                    switch (item, columns) {
                    case (.problem(let problem), _): throw problem
                    case (.record(let record), nil): columns = try Self.header(record)
                    case (.record(let record), let columns?): try builder.add(record, columns)
                    }
                } catch {
                    guard columns != nil else { throw error }
                    refused.add(error)
                }
            }
        } catch let problem as RowError { throw ImportRejected(problem) }
        guard let columns else { throw ImportRejected(RowError(line: 1, "the file is empty")) }
        guard refused.isEmpty else { throw refused }
        self.columns = columns.known
        entries = builder.entries
    }

    private static func header(_ record: CSVReader.Record) throws(RowError) -> CSVColumns<Column> {
        let columns = try CSVColumns<Column>(record) { (name) throws(RowError) in
            guard let column = Column(rawValue: name) else {
                let known = Column.allCases.map(\.rawValue).joined(separator: ", ")
                throw RowError(line: record.line, "unknown column '\(name)'; known are \(known)")
            }
            return column
        }
        for column in [Column.name, .zone] where !columns.known.contains(column) {
            throw RowError(line: record.line, "column '\(column.rawValue)' is missing")
        }
        return columns
    }

    private struct Builder {
        var entries: [Entry] = []
        private var indices: [String: Int] = [:]

        mutating func add(_ record: CSVReader.Record, _ columns: CSVColumns<Column>) throws(RowError) {
            let line = record.line
            try columns.check(record)
            guard let name = try columns.text(.name, record) else { throw RowError(line: line, "the name is empty") }
            let index = indices[name] ?? entries.count
            var entry = index < entries.count ? entries[index] : Entry(line: line, name: name)
            for column in [Column.colour, .note, .reentry] {
                guard let text = try columns.text(column, record) else { continue }
                guard column != .reentry || ["gate", "free", "none"].contains(text) else {
                    throw RowError(line: line, "reentry '\(text)' is none of gate, free, none")
                }
                guard entry.texts[column] ?? text == text else {
                    throw RowError(
                        line: line,
                        "pass '\(name)' begins in line \(entry.line) with another \(column.rawValue)")
                }
                entry.texts[column] = text
            }
            let (from, until) = (try columns.time(.validFrom, record), try columns.time(.validUntil, record))
            if let from, let until, from >= until {
                throw RowError(line: line, "valid_from is not before valid_until")
            }
            if let zone = try columns.text(.zone, record) {
                guard !zone.contains(";") else {
                    throw RowError(line: line, "zone '\(zone)': one zone a row, or several rows of one pass")
                }
                let access = Access(zone: zone, from: from, until: until)
                if !entry.access.contains(access) { entry.access.append(access) }
            } else if from != nil || until != nil {
                throw RowError(line: line, "times, but no zone that they are for")
            }
            if index < entries.count {
                entries[index] = entry
            } else {
                indices[name] = index
                entries.append(entry)
            }
        }
    }
}
