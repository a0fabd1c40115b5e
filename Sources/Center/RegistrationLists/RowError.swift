/// What is wrong with one row of a list: where it stands, and what to do about it.
public struct RowProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// The rows of a list are numbered in their order; a CSV's by the line they begin on.
    public let number: Int
    /// `line 12`, `order ABC12-1`.
    public let place: String
    public let message: String
    public var description: String { "\(place): \(message)" }

    public init(_ number: Int, at place: String, _ message: String) {
        (self.number, self.place, self.message) = (number, place, message)
    }

    public init(line: Int, _ message: String) { self.init(line, at: "line \(line)", message) }
}

/// Why a list was refused: the first problems in the order of its rows, and how many there were.
public struct ListRefused: Error, Sendable, CustomStringConvertible {
    /// Problems that are kept: a list in the wrong format would have one for every row.
    public static let limit = 50
    public private(set) var problems: [RowProblem] = []
    public private(set) var count = 0

    public init() {}
    public init(_ problem: RowProblem) { add(problem) }

    public var isEmpty: Bool { count == 0 }

    /// Rows come in order when a list is read; what the database finds afterwards is sorted in.
    public mutating func add(_ problem: RowProblem) {
        count += 1
        guard problems.count < Self.limit || problem.number < problems[Self.limit - 1].number else { return }
        let place = problems.lastIndex { $0.number <= problem.number }.map { $0 + 1 } ?? 0
        problems.insert(problem, at: place)
        if problems.count > Self.limit { problems.removeLast() }
    }

    /// - Parameter more: problems that were counted and not kept.
    mutating func add(_ others: [RowProblem], andMore more: Int) {
        for problem in others { add(problem) }
        count += more
    }

    public var description: String {
        let shown = problems.map(\.description).joined(separator: "\n")
        return shown + (count > problems.count ? "\n... and \(count - problems.count) more" : "")
    }
}
