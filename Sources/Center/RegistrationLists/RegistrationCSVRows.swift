import CLI
import ScanModel

/// Rows of a `RegistrationCSV`, record by record.
struct RegistrationCSVRows {
    private typealias Column = RegistrationCSV.Column

    private let columns: CSVColumns<RegistrationCSV.Column>
    private let identities: RegistrationCSV.Identities
    private let passes: Set<String>
    let fields: Set<RegistrationField>
    /// What was opened by rows before, by the cells that said so: most rows open what another one does.
    private var known: [String: RegistrationRow.Opens] = [:]

    /// Throws `RowError` for columns that are unknown, double or missing, `ProgramError` (configuration) for a
    /// missing key.
    init(header: CSVReader.Record, _ identities: RegistrationCSV.Identities, _ passes: Set<String>) throws {
        (self.identities, self.passes) = (identities, passes)
        columns = try CSVColumns(header) { (name) throws(RowError) in
            guard let column = Column(rawValue: name) else {
                let known = Column.allCases.map(\.rawValue).joined(separator: ", ")
                throw RowError(line: header.line, "unknown column '\(name)'; known are \(known)")
            }
            return column
        }
        let known = columns.known
        let ofTags = known.intersection([.uid, .sun, .code, .tagID])
        guard known.contains(.name) else { throw RowError(line: header.line, "column 'name' is missing") }
        guard !ofTags.isEmpty || known.contains(.externalRef) else {
            throw RowError(
                line: header.line, "one of the columns uid, sun, code, tag_id, external_ref is needed")
        }
        guard identities.key != nil || ofTags.isSubset(of: [.tagID]) else {
            throw ProgramError.configuration("--event-key-file is needed: it makes tag IDs of UIDs and codes")
        }
        var fields: Set<RegistrationField> = ofTags.isEmpty ? [] : [.tags]
        if known.contains(.category) { fields.insert(.category) }
        if known.contains(.status) { fields.insert(.status) }
        if !known.isDisjoint(with: [.zones, .pass]) { fields.insert(.opens) }
        self.fields = fields
    }

    /// Throws what is wrong with the row.
    mutating func row(_ record: CSVReader.Record) throws(RowError) -> RegistrationRow {
        let line = record.line
        try columns.check(record)
        guard let name = try columns.text(.name, record) else { throw RowError(line: line, "the name is empty") }
        var status = RegistrationRow.Status.active
        if let text = columns.cell(.status, record) {
            guard let known = RegistrationRow.Status(rawValue: text) else {
                throw RowError(line: line, "status '\(text)' is none of active, blocked, void")
            }
            status = known
        }
        let ref = try columns.text(.externalRef, record)
        let tags = try tags(record)
        guard !tags.isEmpty || ref != nil else {
            throw RowError(line: line, "neither a tag (uid, sun, code, tag_id) nor an external_ref")
        }
        return RegistrationRow(
            number: line, name: name, category: try columns.text(.category, record), status: status,
            opens: try opens(record), externalRef: ref, tags: tags)
    }

    // MARK: Tags

    private func tags(_ record: CSVReader.Record) throws(RowError) -> [RegistrationRow.Tag] {
        var tags: [RegistrationRow.Tag] = []
        if let key = identities.key {
            for column in [Column.uid, .sun] {
                guard let text = columns.cell(column, record) else { continue }
                try tags.append(of: column, text, record) { () throws(CellError) in
                    let bytes = try identities.format.bytes(text, length: identities.uidBytes)
                    return try RegistrationRow.tag(key.tagID(of: column == .uid ? .uid(bytes) : .sun(bytes)))
                }
            }
            if let code = columns.cell(.code, record) {
                try tags.append(of: .code, code, record) { () throws(CellError) in
                    try RegistrationRow.tag(code: code, key)
                }
            }
        }
        for text in columns.cell(.tagID, record)?.split(separator: ";") ?? [] {
            try tags.append(of: .tagID, String(text).trimmed, record) { () throws(CellError) in
                try Self.exported(String(text).trimmed)
            }
        }
        return tags
    }

    /// `-123`, or `-123:lost`.
    private static func exported(_ text: String) throws(CellError) -> RegistrationRow.Tag {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let id = parts.first.flatMap({ Int64($0) }) else {
            throw CellError("is not a tag ID: a whole number of 64 bits, with :lost or :void behind it if it is that")
        }
        var tag = try RegistrationRow.tag(TagID(rawValue: id))
        if parts.count == 2 {
            guard let status = TagStatus(rawValue: String(parts[1])) else {
                throw CellError("has a status that is none of active, lost, void")
            }
            tag.status = status
        }
        return tag
    }

    // MARK: Zones and passes

    private mutating func opens(_ record: CSVReader.Record) throws(RowError) -> RegistrationRow.Opens? {
        let cells = [Column.pass, .zones, .validFrom, .validUntil].map { columns.cell($0, record) ?? "" }
        guard !cells.allSatisfy(\.isEmpty) else { return nil }
        let key = cells.joined(separator: "\u{0}")
        if let opens = known[key] { return opens }
        let opens = try newOpens(record)
        if known.count < RegistrationRow.accessSetLimit { known[key] = opens }
        return opens
    }

    private func newOpens(_ record: CSVReader.Record) throws(RowError) -> RegistrationRow.Opens {
        let line = record.line
        let (from, until) = (try columns.time(.validFrom, record), try columns.time(.validUntil, record))
        if let from, let until, from >= until {
            throw RowError(line: line, "valid_from is not before valid_until")
        }
        let zones = columns.cell(.zones, record)
        if let pass = try columns.text(.pass, record) {
            guard zones == nil, from == nil, until == nil else {
                throw RowError(
                    line: line, "a pass has its own zones and times: leave zones, valid_from, valid_until empty")
            }
            guard passes.contains(pass) else {
                throw RowError(line: line, "there is no pass '\(pass)' (import --passes makes passes)")
            }
            return .passes([.init(pass: pass)])
        }
        guard let zones else { throw RowError(line: line, "times, but no zones that they are for") }
        let names = Set(zones.split(separator: ";").map { String($0).trimmed }.filter { !$0.isEmpty })
        guard !names.isEmpty else { throw RowError(line: line, "zones '\(zones)' names none") }
        for name in names { try RegistrationRow.checkLength(name, "zones", line) }
        return .zones(names.sorted(), from: from, until: until)
    }
}

extension [RegistrationRow.Tag] {
    fileprivate mutating func append(
        of column: RegistrationCSV.Column, _ text: String, _ record: CSVReader.Record,
        _ tag: () throws(CellError) -> RegistrationRow.Tag
    ) throws(RowError) {
        do { append(try tag()) } catch {
            throw RowError(line: record.line, "\(column.rawValue) '\(text)' \(error)")
        }
    }
}

extension String {
    /// Without blanks at both ends.
    var trimmed: String {
        let start = drop { $0 == " " || $0 == "\t" }
        guard let end = start.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return "" }
        return String(start[...end])
    }
}
