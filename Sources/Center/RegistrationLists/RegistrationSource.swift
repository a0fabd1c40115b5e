/// A registration list, read row by row.
package protocol RegistrationSource {
    /// What the list says of attendees; known once it was read. What it does not say stays as the database has it.
    var fields: Set<RegistrationField> { get }
    /// What the references of this format begin with, so that `--void-missing` knows whose list it is; nil: with
    /// anything else.
    static var referencePrefix: String? { get }

    /// Gives every row, or what is wrong with it. Throws what `each` throws; `SystemError` for a file; `RowError`
    /// when nothing can be read.
    /// - Parameter passes: names of the passes that there are.
    mutating func read(passes: Set<String>, _ each: (RegistrationItem) throws -> Void) throws

    /// Where a row stands, for messages.
    static func place(_ number: Int, _ externalRef: String?) -> String
}

/// What a list may say of an attendee, or not.
package enum RegistrationField: Hashable, Sendable {
    case category, status, opens, tags
}

package enum RegistrationItem: Sendable {
    case row(RegistrationRow)
    case problem(RowError)
    /// What is not for the registry: a T-shirt, an order of a test.
    case skipped
}
