package import ScanModel

/// A registration list as CSV with the columns of SPEC.md section 8, streamed.
///
/// The header names the columns, in any order: `name`; `uid`, `sun` (as `UIDFormat` says), `code` (text) or `tag_id`
/// (as `tapline-center export` writes it); `category`; `zones` (names joined by `;`) or `pass`; `valid_from`,
/// `valid_until` (RFC 3339); `status`; `external_ref`. A column that is not there leaves what the database has; an
/// empty cell empties it. Rows of one `external_ref` are one attendee with several tags.
package struct RegistrationCSV: RegistrationSource {
    enum Column: String, CaseIterable {
        case uid, sun, code, name, category, zones, pass, status
        case tagID = "tag_id"
        case validFrom = "valid_from"
        case validUntil = "valid_until"
        case externalRef = "external_ref"
    }

    /// What makes tag IDs of the identities in a list.
    package struct Identities: Sendable {
        /// Nil: a list with UIDs or codes is refused.
        package var key: EventKey?
        package var format = UIDFormat.hex
        /// Bytes that each UID must have; nil: any number.
        package var uidBytes: Int?

        package init(key: EventKey?) { self.key = key }
    }

    package static let referencePrefix: String? = nil
    private let path: String
    private let identities: Identities
    package private(set) var fields: Set<RegistrationField> = []

    /// - Parameter path: `-` is standard input.
    package init(_ path: String, _ identities: Identities) { (self.path, self.identities) = (path, identities) }

    package mutating func read(passes: Set<String>, _ each: (RegistrationItem) throws -> Void) throws {
        var rows: RegistrationCSVRows?
        try CSVReader.read(file: path) { item in
            switch item {
            case .problem(let problem):
                guard rows != nil else { throw problem }
                try each(.problem(problem))
            case .record(let record):
                guard rows != nil else {
                    rows = try RegistrationCSVRows(header: record, identities, passes)
                    return
                }
                let row: RegistrationRow?
                do throws(RowError) { row = try rows?.row(record) } catch { return try each(.problem(error)) }
                if let row { try each(.row(row)) }
            }
        }
        guard let rows else { throw RowError(line: 1, "the file is empty") }
        fields = rows.fields
    }

    package static func place(_ number: Int, _ externalRef: String?) -> String { "line \(number)" }
}
