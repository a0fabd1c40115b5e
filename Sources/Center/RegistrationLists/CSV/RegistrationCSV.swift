package import ScanModel

/// A registration list as CSV with the columns of contract.md section 8. It is read as a stream.
///
/// The header names the columns, in any order: `name`; `uid`, `sun` (in a `UIDFormat`), `code` (text) or `tag_id` (as
/// an export writes it); `category`; `zones` (names joined by `;`) or `pass`; `valid_from`, `valid_until`
/// (RFC 3339); `status`; `external_ref`. Values whose column is missing stay unchanged in the database. An empty cell
/// clears the value. Rows with the same `external_ref` are one attendee with several tags.
package struct RegistrationCSV: RegistrationSource {
    enum Column: String, CaseIterable {
        case uid, sun, code, name, category, zones, pass, status
        case tagID = "tag_id"
        case validFrom = "valid_from"
        case validUntil = "valid_until"
        case externalRef = "external_ref"
    }

    /// The settings to derive tag IDs from the identities in a list.
    package struct Identities: Sendable {
        /// `nil`: a list with UIDs or codes is rejected.
        package var key: EventKey?
        /// The notation of the UIDs in the list.
        package var format = UIDFormat.hex
        /// Length of each UID in bytes; `nil`: any length.
        package var uidBytes: Int?

        /// Creates settings for hexadecimal UIDs of any length.
        ///
        /// - Parameter key: the event key; `nil` if the list must not hold UIDs or codes.
        package init(key: EventKey?) { self.key = key }
    }

    /// `nil`: the references of this format have no common prefix.
    package static let referencePrefix: String? = nil
    private let path: String
    private let identities: Identities

    /// Creates the source. The file is opened by `read`.
    ///
    /// - Parameters:
    ///   - path: the file; `-` is standard input.
    ///   - identities: how tag IDs are derived from UIDs and codes.
    package init(_ path: String, _ identities: Identities) {
        self.path = path
        self.identities = identities
    }

    /// Reads the file as a stream. The header determines the fields.
    package func read(
        passes: Set<String>, _ each: (RegistrationItem) throws -> Void
    ) throws -> Set<RegistrationField> {
        let rows = try CSVReader.readRows(
            file: path, header: { try RegistrationCSVRows(header: $0, identities, passes) }, each)
        for problem in rows.rounded.problems { try each(.problem(problem)) }
        return rows.fields
    }
}
