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

        /// By their names in lower case.
        static let names = Dictionary(uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) })
    }

    /// The settings to derive tag IDs from the identities in a list.
    package struct Identities: Sendable {
        /// `nil`: a list with UIDs or codes is rejected.
        package var key: EventKey?
        /// The notation of the UIDs in the list.
        package var format = UIDFormat.hex
        /// Permitted lengths of a UID, in bytes.
        package var uidLengths = ChipUID.lengths

        /// Creates settings for hexadecimal UIDs of the lengths that chips have.
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
    ) throws -> RegistrationReport {
        let (rows, notes) = try CSVReader.readRows(
            file: path, columns: Column.names.keys,
            header: { try RegistrationCSVRows(header: $0, identities, passes) }, each)
        for problem in rows.rounded.problems { try each(.problem(problem)) }
        try rows.uids.check(identities.format)
        var report = RegistrationReport(fields: rows.fields)
        report.uids = rows.uids
        report.warnings = rows.uids.warnings + notes.warnings
        if rows.strayNames.count > 0 {
            report.warnings.append(
                (rows.strayNames.count == 1 ? "1 name holds" : "\(rows.strayNames.count) names hold")
                    + " invisible characters (first in line \(rows.strayNames.firstLine))")
        }
        return report
    }
}
