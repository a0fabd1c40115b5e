package import ErrorModel

/// An error in one cell, without the position of its row.
///
/// The description is the end of a sentence that begins with the name or the text of the cell.
package struct CellError: Error, Sendable, CustomStringConvertible {
    /// The cause, without name and text of the cell.
    package let description: String
    /// Whether the cell names a pass that the registry does not have.
    let isPassMissing: Bool

    init(_ description: String, isPassMissing: Bool = false) {
        self.description = description
        self.isPassMissing = isPassMissing
    }

    /// The registry has no pass of any of these names.
    static func missingPass(_ names: String...) -> CellError {
        CellError(
            "there is no pass \(names.map { "'\($0)'" }.joined(separator: " or ")): import the passes first",
            isPassMissing: true)
    }
}

/// An error in one row of a list, with its position.
package struct RowError: OperationError, Hashable {
    /// The rank of the row in its list. In a CSV file it is the number of the line that the row begins on.
    package let number: Int
    /// The position for messages: `line 12`, `order ABC12-1`.
    package let place: String
    /// The cause, without the position.
    package let message: String
    /// Whether the row names a pass that the registry does not have.
    package let isPassMissing: Bool
    /// Always `failure`: the list must be corrected.
    package var category: ErrorCategory { .failure }
    /// The position and the cause.
    package var description: String { "\(place): \(message)" }

    /// Creates an error at a position.
    ///
    /// - Parameters:
    ///   - number: see the property.
    ///   - place: see the property.
    ///   - message: the cause, without the position.
    ///   - isPassMissing: whether the row names a pass that the registry does not have.
    package init(_ number: Int, at place: String, _ message: String, isPassMissing: Bool = false) {
        self.number = number
        self.place = place
        self.message = message
        self.isPassMissing = isPassMissing
    }

    init(_ number: Int, at place: String, _ error: CellError) {
        self.init(number, at: place, error.description, isPassMissing: error.isPassMissing)
    }

    init(line: Int, _ message: String) { self.init(line, at: "line \(line)", message) }

    init(line: Int, _ error: CellError) { self.init(line, at: "line \(line)", error) }
}

/// A rejected list: the first errors in the order of the rows, and the number of all errors.
package struct ImportRejected: OperationError {
    /// Maximum number of errors that are kept. A list in the wrong format has one for each row.
    package static let limit = 50
    /// At most `limit` errors, in the order of their rows.
    package private(set) var problems: [RowError] = []
    /// All errors, including those that were not kept.
    package private(set) var count = 0
    /// Always `failure`: the list must be corrected. Nothing was stored.
    package var category: ErrorCategory { .failure }

    /// Creates a list without errors.
    package init() {}
    /// Creates a list of one error.
    package init(_ problem: RowError) { add(problem) }

    /// Whether no error was added.
    package var isEmpty: Bool { count == 0 }
    /// Whether one of `problems` is a missing pass.
    package var isPassMissing: Bool { problems.contains { $0.isPassMissing } }

    /// Inserts an error at the place of its row. The comparison with the database adds errors after the list was read.
    package mutating func add(_ problem: RowError) {
        count += 1
        guard problems.count < Self.limit || problem.number < problems[Self.limit - 1].number else { return }
        let place = problems.lastIndex { $0.number <= problem.number }.map { $0 + 1 } ?? 0
        problems.insert(problem, at: place)
        if problems.count > Self.limit { problems.removeLast() }
    }

    /// Adds errors of which only the first are known.
    ///
    /// - Parameters:
    ///   - others: errors to add.
    ///   - more: number of further errors that were counted only.
    package mutating func add(_ others: [RowError], andMore more: Int) {
        for problem in others { add(problem) }
        count += more
    }

    /// One line for each of `problems`, and the number of the errors that were not kept.
    package var description: String {
        let shown = problems.map(\.description).joined(separator: "\n")
        return shown + (count > problems.count ? "\n... and \(count - problems.count) more" : "")
    }
}

/// A list that cannot be read at all.
package enum RegistrationListError: OperationError {
    /// The list holds UIDs or codes, and no event key is set.
    case eventKeyMissing
    /// The files are not answers of the pretix API, or hold no order.
    case unreadable(String)
    /// The files are not the whole list.
    case incomplete(String)

    /// `configuration` if a setting is missing, otherwise `failure`.
    package var category: ErrorCategory {
        switch self {
        case .eventKeyMissing: .configuration
        case .unreadable, .incomplete: .failure
        }
    }

    /// What is needed, or why the files cannot be read.
    package var description: String {
        switch self {
        case .eventKeyMissing: "the event key is needed: tag IDs are made from UIDs and codes with it"
        case .unreadable(let detail): detail
        case .incomplete(let detail): "the list is incomplete, nothing was stored: \(detail)"
        }
    }
}
