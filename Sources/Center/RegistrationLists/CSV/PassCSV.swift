import TextRules

/// A CSV list of passes with their access.
///
/// Each row holds one access. A pass can have several rows, or one row without a zone. The header names the columns, in
/// any order: `name`, `zone`, `valid_from`, `valid_until` (RFC 3339), `colour`, `note`, `reentry` (`gate`, `free`,
/// `none`). Values whose column is missing stay unchanged in the database. A value whose cells are empty in all rows of
/// the pass is cleared.
package struct PassCSV: Sendable {
    /// The columns by their names in the header.
    package enum Column: String, CaseIterable {
        case name, colour, note, reentry, zone
        case validFrom = "valid_from"
        case validUntil = "valid_until"

        /// By their names in lower case.
        static let names = Dictionary(uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) })
    }

    /// One access of a pass.
    package struct Access: Hashable, Sendable {
        /// Name of the zone.
        package let zone: String
        /// Microseconds since 1970; `nil`: no bound.
        package let from: Int64?
        /// Microseconds since 1970; `nil`: no bound.
        package let until: Int64?
    }

    /// One pass of the list.
    package struct Entry: Sendable {
        /// The first line of the pass.
        package let line: Int
        /// Name of the pass.
        package let name: String
        /// Colour, note and reentry, if a row has them.
        package var texts: [Column: String] = [:]
        /// The access of all rows of the pass, in their order.
        package var access: [Access] = []
    }

    /// Maximum number of passes and of their access together. All are held in memory.
    static let limit = 100_000
    /// Maximum number of access of one pass. Each row is compared with those of its pass.
    static let accessLimit = 1_000

    /// The columns of the file.
    package let columns: Set<Column>
    /// In the order of the file.
    package private(set) var entries: [Entry] = []
    /// What is probably wrong, as sentences without a full stop.
    package private(set) var warnings: [String] = []

    /// Reads a whole file.
    ///
    /// - Parameter path: the file; `-` is standard input.
    /// - Throws: `ImportRejected` with all invalid rows, `SystemError`.
    package init(_ path: String) throws {
        var rejected = ImportRejected()
        do {
            let (builder, notes) = try CSVReader.readRows(
                file: path, columns: Column.names.keys, header: { Builder(columns: try Self.header($0)) },
                { item in if case .problem(let problem) = item { rejected.add(problem) } })
            guard rejected.isEmpty else { throw rejected }
            columns = builder.columns.known
            entries = builder.entries
            warnings = (notes.warnings + builder.likeNames + (entries.isEmpty ? ["no row follows the header"] : []))
                .map { "passes: \($0)" }
        } catch let problem as RowError { throw ImportRejected(problem) }
    }

    private static func header(_ record: CSVReader.Record) throws(RowError) -> CSVColumns<Column> {
        let columns = try CSVColumns(record, Column.names)
        for column in [Column.name, .zone] where !columns.known.contains(column) {
            throw RowError(line: record.line, "column '\(column.rawValue)' is missing")
        }
        return columns
    }

    private struct Builder: CSVRowDecoder {
        let columns: CSVColumns<Column>
        private(set) var entries: [Entry] = []
        private var indices: [String: Int] = [:]
        /// The first pass of each name without regard to case.
        private var upperCase: [String: Int] = [:]
        /// Warnings of passes whose names differ only in case.
        private(set) var likeNames: [String] = []
        private var accessCount = 0
        var columnCount: Int { columns.count }

        init(columns: CSVColumns<Column>) { self.columns = columns }

        mutating func item(from record: CSVReader.Record) throws(RowError) -> RegistrationItem {
            try add(record)
            return .skipped
        }

        private mutating func add(_ record: CSVReader.Record) throws(RowError) {
            let line = record.line
            try columns.check(record)
            guard let name = try columns.text(.name, record) else { throw RowError(line: line, "the name is empty") }
            do throws(CellError) { try RegistrationRow.checkPassName(name) } catch {
                throw RowError(line: line, "name", name.visibleInLine, error)
            }
            let index = indices[name] ?? entries.count
            var entry = index < entries.count ? entries[index] : Entry(line: line, name: name)
            for column in [Column.colour, .note, .reentry] {
                guard let cell = try columns.text(column, record) else { continue }
                let text = column == .reentry ? cell.lowercased() : cell
                guard column != .reentry || ["gate", "free", "none"].contains(text) else {
                    throw RowError(line: line, "reentry '\(text)' is not one of gate, free, none")
                }
                guard entry.texts[column] ?? text == text else {
                    throw RowError(
                        line: line,
                        "pass '\(name)' has another \(column.rawValue) in line \(entry.line)")
                }
                entry.texts[column] = text
            }
            let from = try columns.time(.validFrom, record)
            let until = try columns.time(.validUntil, record, isEnd: true)
            if let from, let until, from >= until {
                throw RowError(line: line, "valid_from is not before valid_until")
            }
            if let zone = try columns.text(.zone, record) {
                guard !zone.contains(where: RegistrationRow.isListSeparator) else {
                    throw RowError(line: line, "zone '\(zone)': give one zone per row, and several rows per pass")
                }
                let access = Access(zone: zone, from: from, until: until)
                if !entry.access.contains(access) {
                    guard entry.access.count < PassCSV.accessLimit else {
                        throw RowError(line: line, "pass '\(name)' has more than \(PassCSV.accessLimit) rows")
                    }
                    entry.access.append(access)
                }
            } else if from != nil || until != nil {
                throw RowError(line: line, "valid_from or valid_until without a zone")
            }
            accessCount += entry.access.count - (index < entries.count ? entries[index].access.count : 0)
            guard max(index + 1, entries.count) + accessCount <= PassCSV.limit else {
                throw RowError(line: line, "more than \(PassCSV.limit) passes and zones of passes")
            }
            if index < entries.count {
                entries[index] = entry
            } else {
                indices[name] = index
                entries.append(entry)
                noteCase(of: entry, index)
            }
        }

        /// A list finds a pass by its exact name. So one of two such names is probably a typing error.
        private mutating func noteCase(of entry: Entry, _ index: Int) {
            guard let other = upperCase[entry.name.uppercased()].map({ entries[$0] }) else {
                upperCase[entry.name.uppercased()] = index
                return
            }
            guard likeNames.count < CSVReader.shownNames else { return }
            likeNames.append(
                "the names '\(other.name)' (line \(other.line)) and '\(entry.name)' (line \(entry.line)) differ only in "
                    + "case: is one a typing error?")
        }
    }
}
