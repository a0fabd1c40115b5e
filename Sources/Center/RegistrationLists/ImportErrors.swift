package import ErrorModel
import TextRules

/// An error in one cell, without the position of its row.
///
/// The description is the end of a sentence that begins with the name or the text of the cell.
package struct CellError: Error, Sendable, CustomStringConvertible {
    /// The cause, without name and text of the cell.
    package let description: String
    /// What corrects the error; `nil` if only another text in the cell does.
    package let remedy: RowError.Remedy?

    init(_ description: String, _ remedy: RowError.Remedy? = nil) {
        self.description = description
        self.remedy = remedy
    }

    /// The registry has no pass of any of these names.
    static func missingPass(_ names: String...) -> CellError {
        CellError(
            "there is no pass \(names.map { "'\($0.visible)'" }.joined(separator: " or ")): import the passes first",
            .passes)
    }
}

/// A format of lists that a file is in.
package enum ListFormat: Hashable, Sendable { case people, passes, pretix, eventbrite }

/// An error in one row of a list, with its position.
package struct RowError: OperationError, Hashable {
    /// What corrects an error, besides another text in the cell.
    package enum Remedy: Hashable, Sendable {
        /// The registry needs a pass that the row names.
        case passes
        /// UIDs of other lengths must be permitted, if they are right.
        case uidLengths
        /// The time needs an offset from UTC. `local` is the time without it (`2026-05-06T08:00:00`), if it is known.
        /// `endsDay`: the text is the last day of a period, and `local` is its midnight.
        case timeOffset(local: String?, endsDay: Bool = false)
        /// The file with the items of the event is needed, too.
        case pretixItems
        /// The file is in another format than the one that it is read in.
        case otherFormat(ListFormat)
    }

    /// The rank of the row in its list. In a CSV file it is the number of the line that the row begins on.
    package let number: Int
    /// The position for messages: `line 12`, `order ABC12-1`.
    package let place: String
    /// The cause, without the position.
    package private(set) var message: String
    /// What corrects the error; `nil` if only other texts in the row do.
    package let remedy: Remedy?
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
    ///   - remedy: see the property.
    package init(_ number: Int, at place: String, _ message: String, _ remedy: Remedy? = nil) {
        self.number = number
        // One line each: texts of the list must not forge another error.
        self.place = place.visibleInLine
        self.message = message.visibleInLine
        self.remedy = remedy
    }

    init(_ number: Int, at place: String, _ error: CellError) {
        self.init(number, at: place, error.description, error.remedy)
    }

    init(line: Int, _ message: String) { self.init(line, at: "line \(line)", message) }

    init(line: Int, _ error: CellError) { self.init(line, at: "line \(line)", error) }

    /// An error in a cell, with the name of its column and its text.
    init(line: Int, _ column: String, _ text: String, _ error: CellError) {
        self.init(line, at: "line \(line)", "\(column) '\(text)' \(error)", error.remedy)
    }

    /// Appends an example of what is right.
    mutating func append(example: String) { message += example }
}

/// A rejected list: the first errors in the order of the rows, and the number of all errors.
package struct ImportRejected: OperationError {
    /// Maximum number of errors that are kept. A list in the wrong format has one for each row.
    package static let limit = 50
    /// At most `limit` errors, in the order of their rows.
    package private(set) var problems: [RowError] = []
    /// All errors, including those that were not kept.
    package private(set) var count = 0
    /// Facts about the whole list that help to find the cause.
    package var notes: [String] = []
    /// Always `failure`: the list must be corrected. Nothing was stored.
    package var category: ErrorCategory { .failure }

    /// Creates a list without errors.
    package init() {}
    /// Creates a list of one error.
    package init(_ problem: RowError) { add(problem) }

    /// Whether no error was added.
    package var isEmpty: Bool { count == 0 }
    /// Returns whether one of `problems` has this remedy.
    package func has(_ remedy: RowError.Remedy) -> Bool { problems.contains { $0.remedy == remedy } }

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

    /// Adds an example to each time without an offset from UTC.
    ///
    /// - Parameter example: the end of a sentence, for a local time (`2026-05-06T08:00:00`), or for none; and whether it
    ///   must be the end of that day.
    package mutating func addTimeExamples(_ example: (String?, Bool) throws -> String) rethrows {
        for index in problems.indices {
            guard case .timeOffset(let local, let endsDay) = problems[index].remedy else { continue }
            problems[index].append(example: try example(local, endsDay))
        }
    }

    /// One line for each of `problems`, the number of the errors that were not kept, and the notes.
    package var description: String {
        let shown = problems.map(\.description)
        let more = count > problems.count ? ["... and \(count - problems.count) more"] : []
        return (shown + more + notes).joined(separator: "\n")
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
    /// The UIDs of the whole list cannot be those that gates read.
    case wrongUIDs(String)

    /// Whether the UIDs are in another format than the given one.
    package var isWrongUIDs: Bool { if case .wrongUIDs = self { true } else { false } }

    /// `configuration` if a setting is missing, otherwise `failure`.
    package var category: ErrorCategory {
        switch self {
        case .eventKeyMissing: .configuration
        case .unreadable, .incomplete, .wrongUIDs: .failure
        }
    }

    /// What is needed, or why the files cannot be read.
    package var description: String {
        switch self {
        case .eventKeyMissing: "the event key is needed: tag IDs are made from UIDs and codes with it"
        case .unreadable(let detail): detail
        case .incomplete(let detail): "the list is incomplete, nothing was stored: \(detail)"
        case .wrongUIDs(let detail): "\(detail); nothing was stored"
        }
    }
}
