/// What is wrong with one row of a list: where it stands, and what to do about it.
package struct RowError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The rows of a list are numbered in their order; a CSV's by the line they begin on.
    package let number: Int
    /// `line 12`, `order ABC12-1`.
    package let place: String
    package let message: String
    package var description: String { "\(place): \(message)" }

    package init(_ number: Int, at place: String, _ message: String) {
        (self.number, self.place, self.message) = (number, place, message)
    }

    package init(line: Int, _ message: String) { self.init(line, at: "line \(line)", message) }
}

/// Why a list was refused: the first problems in the order of its rows, and how many there were.
package struct ImportRejected: Error, Sendable, CustomStringConvertible {
    /// Problems that are kept: a list in the wrong format would have one for every row.
    package static let limit = 50
    package private(set) var problems: [RowError] = []
    package private(set) var count = 0

    package init() {}
    package init(_ problem: RowError) { add(problem) }

    package var isEmpty: Bool { count == 0 }

    /// Rows come in order when a list is read; what the database finds afterwards is sorted in.
    package mutating func add(_ problem: RowError) {
        count += 1
        guard problems.count < Self.limit || problem.number < problems[Self.limit - 1].number else { return }
        let place = problems.lastIndex { $0.number <= problem.number }.map { $0 + 1 } ?? 0
        problems.insert(problem, at: place)
        if problems.count > Self.limit { problems.removeLast() }
    }

    /// - Parameter more: problems that were counted and not kept.
    package mutating func add(_ others: [RowError], andMore more: Int) {
        for problem in others { add(problem) }
        count += more
    }

    package var description: String {
        let shown = problems.map(\.description).joined(separator: "\n")
        return shown + (count > problems.count ? "\n... and \(count - problems.count) more" : "")
    }
}
