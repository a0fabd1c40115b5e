package import ScanModel

/// The attendee report of Eventbrite as CSV: one row for each attendee, identified by the attendee number.
///
/// | report | registry |
/// |---|---|
/// | `Attendee #` (`Attendee ID`) | `external_ref` `eventbrite:<number>` |
/// | `First Name`, `Last Name` (`Name`) | name |
/// | `Ticket Type` | category, and the pass of that name |
/// | `Barcode #` | a code |
/// | `Attendee Status` | Attending, Checked In: active; cancelled, unpaid or transferred: void |
///
/// Other columns (answers to questions, prices, addresses) are not read. Column names are not case-sensitive.
package struct EventbriteCSV: RegistrationSource {
    /// `eventbrite:`, which precedes the number of an attendee.
    package static let referencePrefix: String? = prefix
    private static let prefix = "eventbrite:"

    private enum Column: String, CaseIterable {
        case attendee = "Attendee #"
        case firstName = "First Name"
        case lastName = "Last Name"
        case name = "Name"
        case ticket = "Ticket Type"
        case barcode = "Barcode #"
        case status = "Attendee Status"
        case quantity = "Quantity"

        /// The names in the reports of several years, in lower case.
        static let names: [String: Column] = [
            "attendee #": .attendee, "attendee id": .attendee, "attendee no.": .attendee,
            "first name": .firstName, "attendee first name": .firstName,
            "last name": .lastName, "attendee last name": .lastName, "surname": .lastName,
            "attendee surname": .lastName,
            "name": .name, "attendee name": .name, "full name": .name,
            "ticket type": .ticket, "barcode #": .barcode, "barcode": .barcode, "barcode number": .barcode,
            "attendee status": .status, "quantity": .quantity, "qty": .quantity, "ticket quantity": .quantity,
        ]
    }

    /// `Attendee Status` in lower case.
    private static let statuses: [String: RegistrationRow.Status] = [
        "attending": .active, "checked in": .active,
        "not attending": .void, "deleted": .void, "transferred": .void, "refunded": .void, "cancelled": .void,
        "canceled": .void, "unpaid": .void, "pending": .void,
    ]

    private let path: String
    private let key: EventKey

    /// Creates the source. The file is opened by `read`.
    ///
    /// - Parameters:
    ///   - path: the file; `-` is standard input.
    ///   - key: the event key, for the tag IDs of the bar codes.
    package init(_ path: String, key: EventKey) {
        self.path = path
        self.key = key
    }

    /// Reads the report as a stream. It has all fields.
    package func read(
        passes: Set<String>, _ each: (RegistrationItem) throws -> Void
    ) throws -> RegistrationReport {
        let (rows, notes) = try CSVReader.readRows(
            file: path, columns: Column.names.keys,
            header: { Rows(columns: try Self.header($0), key: key, passes: passes) },
            each)
        for problem in rows.rounded.problems { try each(.problem(problem)) }
        var report = RegistrationReport(fields: RegistrationField.all)
        report.warnings = notes.warnings
        return report
    }

    private static func header(_ record: CSVReader.Record) throws(RowError) -> CSVColumns<Column> {
        let columns = try CSVColumns<Column>(record, Column.names, othersAreRead: false)
        for column in [Column.attendee, .ticket, .barcode, .status] where !columns.known.contains(column) {
            throw RowError(
                line: record.line,
                "column '\(column.rawValue)' is missing: select it when you export the attendee report")
        }
        guard columns.known.contains(.name) || columns.known.isSuperset(of: [.firstName, .lastName]) else {
            throw RowError(line: record.line, "columns 'First Name' and 'Last Name' are missing")
        }
        return columns
    }

    private struct Rows: CSVRowDecoder {
        let columns: CSVColumns<Column>
        let key: EventKey
        let passes: Set<String>
        private(set) var rounded = RoundedNumbers()
        var columnCount: Int { columns.count }

        init(columns: CSVColumns<Column>, key: EventKey, passes: Set<String>) {
            (self.columns, self.key, self.passes) = (columns, key, passes)
        }

        mutating func item(from record: CSVReader.Record) throws(RowError) -> RegistrationItem {
            try columns.check(record)
            for column in [Column.attendee, .barcode] {
                rounded.note(column.rawValue, columns.cell(column, record), line: record.line)
            }
            guard let attendee = try columns.reference(.attendee, record) else {
                // A report can end with a row of totals.
                if columns.cell(.barcode, record) == nil, columns.cell(.status, record) == nil { return .skipped }
                throw RowError(line: record.line, "'Attendee #' is empty")
            }
            let status = try status(record)
            if let quantity = columns.cell(.quantity, record), quantity != "1" {
                throw RowError(
                    line: record.line, "Quantity \(quantity): export the report with one row for each attendee")
            }
            guard let ticket = try columns.text(.ticket, record) else {
                throw RowError(line: record.line, "'Ticket Type' is empty")
            }
            guard passes.contains(ticket) || status == .void else {
                throw RowError(line: record.line, CellError.missingPass(ticket))
            }
            let tags = try tag(record).map { [$0] } ?? []
            guard !tags.isEmpty || status == .void else { throw RowError(line: record.line, "'Barcode #' is empty") }
            return .row(
                RegistrationRow(
                    number: record.line, name: try name(record) ?? "Attendee \(attendee)", category: ticket,
                    status: status, access: passes.contains(ticket) ? .passes([.init(pass: ticket)]) : nil,
                    externalRef: prefix + attendee, tags: tags))
        }

        private func status(_ record: CSVReader.Record) throws(RowError) -> RegistrationRow.Status {
            let text = columns.cell(.status, record) ?? ""
            guard let status = statuses[text.lowercased()] else {
                let known = statuses.keys.sorted().joined(separator: ", ")
                throw RowError(line: record.line, "Attendee Status '\(text)' is not one of \(known)")
            }
            return status
        }

        private func tag(_ record: CSVReader.Record) throws(RowError) -> RegistrationRow.Tag? {
            guard let code = try columns.identifier(.barcode, record) else { return nil }
            do { return try RegistrationRow.tag(code: code, key) } catch {
                throw RowError(line: record.line, "Barcode '\(code)' \(error)")
            }
        }

        private func name(_ record: CSVReader.Record) throws(RowError) -> String? {
            if let name = try columns.text(.name, record) { return name }
            let first = try columns.text(.firstName, record)
            let last = try columns.text(.lastName, record)
            let name = [first, last].compactMap(\.self).joined(separator: " ")
            return name.isEmpty ? nil : name
        }
    }
}
