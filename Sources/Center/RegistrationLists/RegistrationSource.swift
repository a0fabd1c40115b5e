/// A registration list that is read row by row.
package protocol RegistrationSource {
    /// The prefix of the references in this format, which identifies the owner of a reference.
    ///
    /// An import that makes missing attendees void applies to references with this prefix only. `nil`: to references
    /// without the prefix of another format.
    static var referencePrefix: String? { get }

    /// Reads the list, and reports every row or its error.
    ///
    /// - Parameters:
    ///   - passes: names of the existing passes.
    ///   - each: receives the rows in order.
    /// - Returns: what the list has, and what was noticed in it.
    /// - Throws: the errors of `each`; `SystemError` if a file cannot be read; `RowError` or `RegistrationListError` if
    ///   the list cannot be read at all.
    func read(
        passes: Set<String>, _ each: (RegistrationItem) throws -> Void
    ) throws -> RegistrationReport

    /// Returns the position of a row, for messages.
    ///
    /// - Parameters:
    ///   - number: the rank of the row, as in `RowError.number`.
    ///   - externalRef: the reference of the row; `nil` if it has none.
    static func place(_ number: Int, _ externalRef: String?) -> String
}

extension RegistrationSource {
    /// The position of a row in a CSV file: its line.
    package static func place(_ number: Int, _ externalRef: String?) -> String { "line \(number)" }
}

/// Returns the path to open for the path of a list: `-` is standard input.
func inputPath(_ path: String) -> String { path == "-" ? "/dev/stdin" : path }

/// Attendee data that a list can have.
package enum RegistrationField: CaseIterable, Sendable {
    case category, status, access, tags

    /// The fields of a list that has all of them.
    static let all = Set(allCases)
}

/// What a list has, and what was noticed in it as a whole.
package struct RegistrationReport: Sendable {
    /// The attendee data that the list has. Other data stay unchanged in the database.
    package var fields: Set<RegistrationField>
    /// The UIDs of the list by length.
    package var uids = UIDSummary()
    /// Number of entries in files that do not say how many entries the whole list has.
    package var uncounted = 0
    /// What is probably wrong, as sentences without a full stop.
    package var warnings: [String] = []

    init(fields: Set<RegistrationField>) { self.fields = fields }
}

/// One entry of a list.
package enum RegistrationItem: Sendable {
    case row(RegistrationRow)
    case problem(RowError)
    /// A row that is not for the registry: a T-shirt, an order in test mode.
    case skipped
}
