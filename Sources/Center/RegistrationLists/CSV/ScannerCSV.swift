package import ScanModel
import TextRules

/// A CSV list of scanners, for the enrolment of many.
///
/// The header names the columns, in any order: `id`, and `gate` and `zone` as in the command for one scanner.
package struct ScannerCSV: Sendable {
    enum Column: String, CaseIterable {
        case id, gate, zone

        /// By their names in lower case.
        static let names = Dictionary(uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) })
    }

    /// One scanner of the list.
    package struct Entry: Sendable, Equatable {
        /// The identity.
        package let id: ScannerID
        /// Default gate; `nil` without one.
        package let gate: String?
        /// The zone that the gate leads into; `nil` for an existing gate.
        package let zone: String?
    }

    /// In the order of the file.
    package private(set) var entries: [Entry] = []

    /// Reads a whole file.
    ///
    /// - Parameter path: the file; `-` is standard input.
    /// - Throws: `ImportRejected` with all invalid rows, `SystemError`.
    package init(_ path: String) throws {
        var rejected = ImportRejected()
        do {
            let (builder, _) = try CSVReader.readRows(
                file: path, columns: Column.names.keys, header: { Builder(columns: try Self.header($0)) },
                { item in if case .problem(let problem) = item { rejected.add(problem) } })
            guard rejected.isEmpty else { throw rejected }
            entries = builder.entries
        } catch let problem as RowError { throw ImportRejected(problem) }
    }

    private static func header(_ record: CSVReader.Record) throws(RowError) -> CSVColumns<Column> {
        let columns = try CSVColumns(record, Column.names)
        guard columns.known.contains(.id) else { throw RowError(line: record.line, "column 'id' is missing") }
        return columns
    }

    private struct Builder: CSVRowDecoder {
        let columns: CSVColumns<Column>
        private(set) var entries: [Entry] = []
        private var lines: [ScannerID: Int] = [:]
        var columnCount: Int { columns.count }

        init(columns: CSVColumns<Column>) { self.columns = columns }

        mutating func item(from record: CSVReader.Record) throws(RowError) -> RegistrationItem {
            try columns.check(record)
            guard let text = try columns.text(.id, record) else {
                throw RowError(line: record.line, "the id is empty")
            }
            guard let id = ScannerID(text) else {
                throw RowError(
                    line: record.line,
                    "id '\(text.visibleInLine)' is not a scanner's identity: 1 to 63 of a-z, 0-9 and -, not - first")
            }
            if let first = lines.updateValue(record.line, forKey: id) {
                throw RowError(line: record.line, "scanner \(id) is in line \(first) too")
            }
            let (gate, zone) = (try columns.text(.gate, record), try columns.text(.zone, record))
            guard gate != nil || zone == nil else {
                throw RowError(line: record.line, "a zone is given without the gate that leads into it")
            }
            entries.append(Entry(id: id, gate: gate, zone: zone))
            return .skipped
        }
    }
}
