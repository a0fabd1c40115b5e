internal import Crypto
internal import Runtime
public import Scans

/// A registration list as a CSV file has it (SPEC.md section 8), read and checked as far as that goes without a database.
///
/// The header names the columns, in any order: `name`; `uid`, `sun` (hex) or `code` (text); `category`; `zones` (names joined
/// by `;`) or `pass`; `valid_from`, `valid_until` (RFC 3339); `status`; `external_ref`. A column that is not there leaves what
/// the database has; an empty cell empties it. Rows of one `external_ref` are one attendee with several tags.
public struct RegistrationList: Sendable {
    public enum Column: String, CaseIterable, Sendable {
        case uid, sun, code, name, category, zones, pass, status
        case validFrom = "valid_from"
        case validUntil = "valid_until"
        case externalRef = "external_ref"
    }

    /// What a row opens.
    public enum Opens: Hashable, Sendable {
        case nothing
        case pass(String)
        /// Zone names, sorted and each once; microseconds since 1970, nil: always.
        case zones([String], from: Int64?, until: Int64?)
    }

    public struct Tag: Hashable, Sendable {
        public let line: Int
        public let tag: TagID
    }

    public struct Person: Hashable, Sendable {
        /// Of the first row.
        public let line: Int
        public let name: String
        public let category: String?
        public let status: String
        public let opens: Opens
        public let externalRef: String?
        public var tags: [Tag]

        /// Equal in all but lines and tags.
        func agrees(with other: Person) -> Bool {
            name == other.name && category == other.category && status == other.status && opens == other.opens
        }
    }

    /// Why a list was refused: the lines, in order, no more than `limit` of them, and how many there were.
    public struct Refused: Error, Sendable, CustomStringConvertible {
        /// Problems that are kept; a list in the wrong format would have one for every line.
        public static let limit = 50
        public let problems: [CSVReader.Problem]
        public let count: Int

        public init(_ problems: [CSVReader.Problem]) {
            count = problems.count
            self.problems = Array(problems.sorted { $0.line < $1.line }.prefix(Self.limit))
        }

        public var description: String {
            let shown = problems.map(\.description).joined(separator: "\n")
            return shown + (count > problems.count ? "\n... and \(count - problems.count) more" : "")
        }
    }

    public let columns: Set<Column>
    public let people: [Person]
    public let rowCount: Int

    /// Throws `Refused`.
    public init(csv: [UInt8], key: EventKey) throws(Refused) {
        var reader = CSVReader(csv)
        var problems: [CSVReader.Problem] = []
        let header: [Column]
        do { header = try Self.header(&reader) } catch { throw Refused([error]) }
        columns = Set(header)
        var builder = Builder()
        var rows = 0
        while true {
            do {
                guard let record = try reader.next() else { break }
                rows += 1
                try builder.add(try Self.person(record, header, key), record.line)
            } catch { problems.append(error) }
        }
        guard problems.isEmpty else { throw Refused(problems) }
        (people, rowCount) = (builder.people, rows)
    }

    /// The attendees so far, and what would contradict them.
    private struct Builder {
        var people: [Person] = []
        private var byRef: [String: Int] = [:]
        private var owner: [TagID: (person: Int, line: Int)] = [:]

        mutating func add(_ person: Person, _ line: Int) throws(CSVReader.Problem) {
            var index = people.count
            if let ref = person.externalRef, let known = byRef[ref] {
                guard people[known].agrees(with: person) else {
                    throw CSVReader.Problem(
                        line, "external_ref \(ref) stands in line \(people[known].line) with other data")
                }
                index = known
            }
            var fresh: [Tag] = []
            for tag in person.tags {
                if let other = owner[tag.tag], other.person != index {
                    throw CSVReader.Problem(
                        line,
                        "the tag of \(person.name) is already that of \(people[other.person].name) in line \(other.line)"
                    )
                }
                if owner.updateValue((index, line), forKey: tag.tag) == nil { fresh.append(tag) }
            }
            if index < people.count {
                people[index].tags += fresh
            } else {
                if let ref = person.externalRef { byRef[ref] = index }
                people.append(person)
                people[index].tags = fresh
            }
        }
    }

    private static func header(_ reader: inout CSVReader) throws(CSVReader.Problem) -> [Column] {
        guard let record = try reader.next() else { throw CSVReader.Problem(1, "the file is empty") }
        let names = record.fields.map { $0.trimmed }
        var columns: [Column] = []
        for name in names {
            guard let column = Column(rawValue: name) else {
                let known = Column.allCases.map(\.rawValue).joined(separator: ", ")
                throw CSVReader.Problem(record.line, "unknown column '\(name)'; known are \(known)")
            }
            guard !columns.contains(column) else {
                throw CSVReader.Problem(record.line, "column '\(name)' stands there twice")
            }
            columns.append(column)
        }
        guard columns.contains(.name) else { throw CSVReader.Problem(record.line, "column 'name' is missing") }
        guard columns.contains(where: { [.uid, .sun, .code, .externalRef].contains($0) }) else {
            throw CSVReader.Problem(record.line, "one of the columns uid, sun, code, external_ref is needed")
        }
        return columns
    }

    private static func person(
        _ record: CSVReader.Record, _ header: [Column], _ key: EventKey
    ) throws(CSVReader.Problem) -> Person {
        let line = record.line
        guard record.fields.count == header.count else {
            throw CSVReader.Problem(line, "\(record.fields.count) fields where the header has \(header.count)")
        }
        var cells: [Column: String] = [:]
        for (column, field) in zip(header, record.fields) {
            let text = field.trimmed
            if !text.isEmpty { cells[column] = text }
        }
        guard let name = cells[.name] else { throw CSVReader.Problem(line, "the name is empty") }
        let status = cells[.status] ?? "active"
        guard ["active", "blocked", "void"].contains(status) else {
            throw CSVReader.Problem(line, "status '\(status)' is none of active, blocked, void")
        }
        let tags = try tags(cells, line, key)
        guard !tags.isEmpty || cells[.externalRef] != nil else {
            throw CSVReader.Problem(line, "neither a tag (uid, sun or code) nor an external_ref")
        }
        return Person(
            line: line, name: name, category: cells[.category], status: status, opens: try opens(cells, line),
            externalRef: cells[.externalRef], tags: tags)
    }

    private static func tags(
        _ cells: [Column: String], _ line: Int, _ key: EventKey
    ) throws(CSVReader.Problem) -> [Tag] {
        var identities: [TagIdentity] = []
        for column in [Column.uid, .sun] {
            guard let text = cells[column] else { continue }
            guard let bytes = TagIdentity.uidBytes(text) else {
                throw CSVReader.Problem(line, "\(column.rawValue) '\(text)' is not the hex of a UID (1 to 32 bytes)")
            }
            identities.append(column == .uid ? .uid(bytes) : .sun(bytes))
        }
        if let code = cells[.code] { identities.append(.code(code)) }
        var tags: [Tag] = []
        for identity in identities {
            let tag = key.tagID(of: identity)
            // One in 2^64; 0 stands for "no tag".
            guard tag != .none else { throw CSVReader.Problem(line, "this tag's ID is 0: give another tag") }
            tags.append(Tag(line: line, tag: tag))
        }
        return tags
    }

    private static func opens(_ cells: [Column: String], _ line: Int) throws(CSVReader.Problem) -> Opens {
        var times: [Column: Int64] = [:]
        for column in [Column.validFrom, .validUntil] {
            guard let text = cells[column] else { continue }
            guard let time = UTCTime.microseconds(text) else {
                throw CSVReader.Problem(
                    line, "\(column.rawValue) '\(text)' is not an RFC 3339 time (2026-05-06T08:00:00Z)")
            }
            times[column] = time
        }
        if let from = times[.validFrom], let until = times[.validUntil], from >= until {
            throw CSVReader.Problem(line, "valid_from is not before valid_until")
        }
        if let pass = cells[.pass] {
            guard cells[.zones] == nil && times.isEmpty else {
                throw CSVReader.Problem(
                    line, "a pass has its own zones and times: leave zones, valid_from, valid_until empty")
            }
            return .pass(pass)
        }
        guard let list = cells[.zones] else {
            guard times.isEmpty else { throw CSVReader.Problem(line, "times, but no zones that they are for") }
            return .nothing
        }
        let names = Set(list.split(separator: ";").map { String($0).trimmed }.filter { !$0.isEmpty })
        guard !names.isEmpty else { throw CSVReader.Problem(line, "zones '\(list)' names none") }
        return .zones(names.sorted(), from: times[.validFrom], until: times[.validUntil])
    }
}

extension TagIdentity {
    /// The bytes of a UID in hex, in either case, colons between bytes allowed; nil for anything else.
    public static func uidBytes(_ text: String) -> [UInt8]? {
        let digits = text.filter { $0 != ":" }
        guard let bytes = Hex.decode(digits), (1...32).contains(bytes.count) else { return nil }
        return bytes
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
