package import ScanModel

/// The attendee report of Eventbrite as CSV: one row an attendee, found again by its number.
///
/// | of the report | in the registry |
/// |---|---|
/// | `Attendee #` (`Attendee ID`) | `external_ref` `eventbrite:<number>` |
/// | `First Name`, `Last Name` (`Name`) | name |
/// | `Ticket Type` | category, and the pass of that name |
/// | `Barcode #` | a code |
/// | `Attendee Status` | Attending, Checked In: active; what is cancelled, not paid or handed on: void |
///
/// Other columns (answers to questions, prices, addresses) are not read. Names of columns are taken in any case.
package struct EventbriteCSV: RegistrationSource {
    package static let referencePrefix: String? = "eventbrite:"

    private enum Column: String, CaseIterable {
        case attendee = "Attendee #"
        case firstName = "First Name"
        case lastName = "Last Name"
        case name = "Name"
        case ticket = "Ticket Type"
        case barcode = "Barcode #"
        case status = "Attendee Status"
        case quantity = "Quantity"

        /// By their names in the reports of several years, in lower case.
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

    /// In lower case.
    private static let statuses: [String: RegistrationRow.Status] = [
        "attending": .active, "checked in": .active,
        "not attending": .void, "deleted": .void, "transferred": .void, "refunded": .void, "cancelled": .void,
        "canceled": .void, "unpaid": .void, "pending": .void,
    ]

    private let path: String
    private let key: EventKey
    package let fields: Set<RegistrationField> = [.category, .status, .opens, .tags]

    /// - Parameter path: `-` is standard input.
    package init(_ path: String, key: EventKey) { (self.path, self.key) = (path, key) }

    package static func place(_ number: Int, _ externalRef: String?) -> String { "line \(number)" }

    package mutating func read(passes: Set<String>, _ each: (RegistrationItem) throws -> Void) throws {
        var columns: CSVColumns<Column>?
        try CSVReader.read(file: path) { item in
            switch item {
            case .problem(let problem):
                guard columns != nil else { throw problem }
                try each(.problem(problem))
            case .record(let record):
                guard let columns else {
                    columns = try Self.header(record)
                    return
                }
                let row: RegistrationItem
                do throws(RowError) { row = try self.row(record, columns, passes) } catch { row = .problem(error) }
                try each(row)
            }
        }
        guard columns != nil else { throw RowError(line: 1, "the file is empty") }
    }

    private static func header(_ record: CSVReader.Record) throws(RowError) -> CSVColumns<Column> {
        let columns = try CSVColumns<Column>(record) { Column.names[$0.lowercased()] }
        for column in [Column.attendee, .ticket, .barcode, .status] where !columns.known.contains(column) {
            throw RowError(
                line: record.line,
                "column '\(column.rawValue)' is missing: choose it when you export the report of attendees")
        }
        guard columns.known.contains(.name) || columns.known.isSuperset(of: [.firstName, .lastName]) else {
            throw RowError(line: record.line, "columns 'First Name' and 'Last Name' are missing")
        }
        return columns
    }

    private func row(
        _ record: CSVReader.Record, _ columns: CSVColumns<Column>, _ passes: Set<String>
    ) throws(RowError) -> RegistrationItem {
        try columns.check(record)
        func problem(_ message: String) -> RowError { RowError(line: record.line, message) }
        guard let attendee = try columns.text(.attendee, record) else {
            // Reports may end with a row of sums.
            if columns.cell(.barcode, record) == nil, columns.cell(.status, record) == nil { return .skipped }
            throw problem("'Attendee #' is empty")
        }
        guard let text = columns.cell(.status, record), let status = Self.statuses[text.lowercased()] else {
            let known = Self.statuses.keys.sorted().joined(separator: ", ")
            throw problem("Attendee Status '\(columns.cell(.status, record) ?? "")' is none of \(known)")
        }
        if let quantity = columns.cell(.quantity, record), quantity != "1" {
            throw problem("Quantity \(quantity): a report with one row an attendee is needed")
        }
        guard let ticket = try columns.text(.ticket, record) else { throw problem("'Ticket Type' is empty") }
        guard passes.contains(ticket) || status == .void else {
            throw problem("there is no pass '\(ticket)' for this ticket type (import --passes makes passes)")
        }
        var tags: [RegistrationRow.Tag] = []
        if let code = columns.cell(.barcode, record) {
            guard !code.contains("E+") else {
                throw problem("Barcode '\(code)' was rounded by a spreadsheet: import the file as it was downloaded")
            }
            do { tags.append(try RegistrationRow.tag(code: code, key)) } catch {
                throw problem("Barcode '\(code)' \(error)")
            }
        } else if status != .void {
            throw problem("'Barcode #' is empty")
        }
        let (first, last) = (try columns.text(.firstName, record), try columns.text(.lastName, record))
        let name = try columns.text(.name, record) ?? [first, last].compactMap(\.self).joined(separator: " ")
        return .row(
            RegistrationRow(
                number: record.line, name: name.isEmpty ? "Attendee \(attendee)" : name, category: ticket,
                status: status, opens: passes.contains(ticket) ? .passes([.init(pass: ticket)]) : nil,
                externalRef: "eventbrite:" + attendee, tags: tags))
    }
}
