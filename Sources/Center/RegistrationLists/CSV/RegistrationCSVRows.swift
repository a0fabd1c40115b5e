import Crypto
import ScanModel
import TextRules

/// Decodes the rows of a `RegistrationCSV`.
struct RegistrationCSVRows: CSVRowDecoder {
    private typealias Column = RegistrationCSV.Column

    private let columns: CSVColumns<RegistrationCSV.Column>
    private let identities: RegistrationCSV.Identities
    private let passes: Set<String>
    let fields: Set<RegistrationField>
    /// The UIDs of all rows, also of invalid ones.
    private(set) var uids = UIDSummary()
    var columnCount: Int { columns.count }
    /// The access sets of earlier rows, by the text of their cells. Most rows repeat an access set.
    private var known: [String: RegistrationRow.AccessSet] = [:]
    /// Maximum length of such a text that is kept, in bytes.
    private static let knownKeyBytes = 1_024
    private(set) var rounded = RoundedNumbers()
    /// Names with invisible characters between visible ones.
    private(set) var strayNames: (count: Int, firstLine: Int) = (0, .max)

    /// - Throws: `RowError` if a column is unknown, appears twice or is missing;
    ///   `RegistrationListError.eventKeyMissing`.
    init(header: CSVReader.Record, _ identities: RegistrationCSV.Identities, _ passes: Set<String>) throws {
        self.identities = identities
        self.passes = passes
        columns = try CSVColumns(header, Column.names)
        let known = columns.known
        let ofTags = known.intersection([.uid, .sun, .code, .tagID])
        guard known.contains(.name) else { throw RowError(line: header.line, "column 'name' is missing") }
        guard !ofTags.isEmpty || known.contains(.externalRef) else {
            throw RowError(
                line: header.line, "one of the columns uid, sun, code, tag_id, external_ref is needed")
        }
        guard identities.key != nil || ofTags.isSubset(of: [.tagID]) else {
            throw RegistrationListError.eventKeyMissing
        }
        var fields: Set<RegistrationField> = ofTags.isEmpty ? [] : [.tags]
        if known.contains(.category) { fields.insert(.category) }
        if known.contains(.status) { fields.insert(.status) }
        if !known.isDisjoint(with: [.zones, .pass]) { fields.insert(.access) }
        self.fields = fields
    }

    mutating func item(from record: CSVReader.Record) throws(RowError) -> RegistrationItem {
        let line = record.line
        try columns.check(record)
        guard let name = try columns.text(.name, record) else { throw RowError(line: line, "the name is empty") }
        if name.strayInvisible != nil { strayNames = (strayNames.count + 1, min(strayNames.firstLine, line)) }
        var status = RegistrationRow.Status.active
        if let text = columns.cell(.status, record) {
            guard let known = RegistrationRow.Status(rawValue: text.lowercased()) else {
                throw RowError(line: line, "status '\(text)' is not one of active, blocked, void")
            }
            status = known
        }
        let ref = try columns.reference(.externalRef, record)
        for column in [Column.uid, .sun, .code, .externalRef] {
            rounded.note(column.rawValue, columns.cell(column, record), line: line)
        }
        let tags = try tags(record)
        guard !tags.isEmpty || ref != nil else {
            throw RowError(line: line, "neither a tag (uid, sun, code, tag_id) nor an external_ref")
        }
        return .row(
            RegistrationRow(
                number: line, name: name, category: try columns.text(.category, record), status: status,
                access: try accessSet(record), externalRef: ref, tags: tags))
    }

    // MARK: Tags

    private mutating func tags(_ record: CSVReader.Record) throws(RowError) -> [RegistrationRow.Tag] {
        var tags: [RegistrationRow.Tag] = []
        if let key = identities.key {
            for column in [Column.uid, .sun] {
                guard let text = try columns.identifier(column, record) else { continue }
                let uid = try uid(column, text, record)
                try tags.append(of: column, text, record) { () throws(CellError) in
                    try RegistrationRow.tag(key.tagID(of: column == .uid ? .uid(uid) : .sun(uid)))
                }
            }
            if let code = try columns.identifier(.code, record) {
                try tags.append(of: .code, code, record) { () throws(CellError) in
                    try RegistrationRow.tag(code: code, key)
                }
            }
        }
        // A tag_id cell of a person with many tags is long.
        let ids = columns.cell(.tagID, record).map(SpreadsheetText.unmarked)
        for cell in ids?.split(whereSeparator: RegistrationRow.isListSeparator) ?? [] {
            let text = String(cell).trimmingInvisible
            try tags.append(of: .tagID, text, record) { () throws(CellError) in
                try Self.tag(exported: SpreadsheetText.identifier(text))
            }
            rounded.note(Column.tagID.rawValue, text, line: record.line)
        }
        return tags
    }

    private mutating func uid(
        _ column: Column, _ text: String, _ record: CSVReader.Record
    ) throws(RowError) -> [UInt8] {
        do throws(CellError) {
            let bytes = try identities.format.parse(text, identities.uidLengths)
            uids.add(bytes, identities.format)
            do throws(CellError) { try UIDFormat.check(bytes, identities.uidLengths) } catch {
                guard identities.format != .hex else { throw error }
                throw CellError("\(error) (the chip sends \(Hex.encode(bytes)))", error.remedy)
            }
            return bytes
        } catch { throw RowError(line: record.line, column.rawValue, text, error) }
    }

    /// Parses a tag as an export writes it: `-123`, or `-123:lost`.
    private static func tag(exported text: String) throws(CellError) -> RegistrationRow.Tag {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let id = parts.first.flatMap({ Int64($0) }) else {
            throw CellError(
                "is not a tag ID: a whole number of 64 bits, optionally with the suffix :lost or :void")
        }
        var tag = try RegistrationRow.tag(TagID(rawValue: id))
        tag.isKeyed = false
        if parts.count == 2 {
            guard let status = TagStatus(rawValue: parts[1].lowercased()) else {
                throw CellError("has a status that is not one of active, lost, void")
            }
            tag.status = status
        }
        return tag
    }

    // MARK: Zones and passes

    private mutating func accessSet(
        _ record: CSVReader.Record
    ) throws(RowError) -> RegistrationRow.AccessSet? {
        let cells = [Column.pass, .zones, .validFrom, .validUntil].map { columns.cell($0, record) ?? "" }
        guard !cells.allSatisfy(\.isEmpty) else { return nil }
        let key = cells.joined(separator: "\u{0}")
        if let accessSet = known[key] { return accessSet }
        let accessSet = try newAccessSet(record)
        if known.count < RegistrationRow.accessSetLimit, key.utf8.count <= Self.knownKeyBytes { known[key] = accessSet }
        return accessSet
    }

    private func newAccessSet(_ record: CSVReader.Record) throws(RowError) -> RegistrationRow.AccessSet {
        let line = record.line
        let from = try columns.time(.validFrom, record)
        let until = try columns.time(.validUntil, record, isEnd: true)
        if let from, let until, from >= until {
            throw RowError(line: line, "valid_from is not before valid_until")
        }
        let zones = columns.unmarked(.zones, record)
        if let pass = try columns.text(.pass, record) {
            guard zones == nil, from == nil, until == nil else {
                throw RowError(
                    line: line, "a pass defines zones and times: leave zones, valid_from and valid_until empty")
            }
            guard passes.contains(pass) else {
                throw RowError(line: line, CellError.missingPass(pass))
            }
            return .passes([.init(pass: pass)])
        }
        guard let zones else { throw RowError(line: line, "valid_from or valid_until without zones") }
        let names = Set(
            zones.split(whereSeparator: RegistrationRow.isListSeparator).map { String($0).trimmingInvisible }.filter {
                !$0.isEmpty
            })
        guard !names.isEmpty else { throw RowError(line: line, "zones '\(zones)' contains no zone name") }
        guard names.count <= RegistrationRow.zonesLimit else {
            throw RowError(line: line, "more than \(RegistrationRow.zonesLimit) zones: use a pass")
        }
        for name in names { try RegistrationRow.checkText(name, "zones", line) }
        return .zones(names.sorted(), from: from, until: until)
    }
}

extension [RegistrationRow.Tag] {
    fileprivate mutating func append(
        of column: RegistrationCSV.Column, _ text: String, _ record: CSVReader.Record,
        _ tag: () throws(CellError) -> RegistrationRow.Tag
    ) throws(RowError) {
        do throws(CellError) { append(try tag()) } catch {
            throw RowError(line: record.line, column.rawValue, text, error)
        }
    }
}
