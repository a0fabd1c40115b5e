package import ErrorModel

/// An error in one cell, without the position of its row.
///
/// The description is the end of a sentence that begins with the name or the text of the cell.
package struct CellError: Error, Sendable, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }

    /// The registry has no pass of any of these names.
    static func missingPass(_ names: String...) -> CellError {
        CellError("there is no pass \(names.map { "'\($0)'" }.joined(separator: " or ")): import the passes first")
    }
}

/// An error in one row of a list, with its position.
package struct RowError: OperationError, Hashable {
    /// The rank of the row in its list. In a CSV file it is the number of the line that the row begins on.
    package let number: Int
    /// The position for messages: `line 12`, `order ABC12-1`.
    package let place: String
    package let message: String
    package var category: ErrorCategory { .failure }
    package var description: String { "\(place): \(message)" }

    package init(_ number: Int, at place: String, _ message: String) {
        self.number = number
        self.place = place
        self.message = message
    }

    package init(line: Int, _ message: String) { self.init(line, at: "line \(line)", message) }
}

/// A rejected list: the first errors in the order of the rows, and the number of all errors.
package struct ImportRejected: OperationError {
    /// Maximum number of errors that are kept. A list in the wrong format has one for each row.
    package static let limit = 50
    /// At most `limit` errors, in the order of their rows.
    package private(set) var problems: [RowError] = []
    /// All errors, including those that were not kept.
    package private(set) var count = 0
    package var category: ErrorCategory { .failure }

    package init() {}
    package init(_ problem: RowError) { add(problem) }

    package var isEmpty: Bool { count == 0 }

    /// Inserts an error at the place of its row. The comparison with the database adds errors after the list was read.
    package mutating func add(_ problem: RowError) {
        count += 1
        guard problems.count < Self.limit || problem.number < problems[Self.limit - 1].number else { return }
        let place = problems.lastIndex { $0.number <= problem.number }.map { $0 + 1 } ?? 0
        problems.insert(problem, at: place)
        if problems.count > Self.limit { problems.removeLast() }
    }

    /// - Parameters:
    ///   - others: errors to add.
    ///   - more: number of further errors that were counted only.
    package mutating func add(_ others: [RowError], andMore more: Int) {
        for problem in others { add(problem) }
        count += more
    }

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

    package var category: ErrorCategory {
        switch self {
        case .eventKeyMissing: .configuration
        case .unreadable: .failure
        }
    }

    package var description: String {
        switch self {
        case .eventKeyMissing: "the event key is needed: tag IDs are made from UIDs and codes with it"
        case .unreadable(let detail): detail
        }
    }
}
