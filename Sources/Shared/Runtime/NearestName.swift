/// Finds the known names that resemble a name with a typing error.
package enum NearestName {
    /// Longest names that are compared, in characters. The time grows with the product of both lengths.
    static let lengthLimit = 100

    /// Returns the known names that resemble `name`, the nearest first; names of equal distance in alphabetical order.
    ///
    /// A name is near if at most a third of the longer name has to be changed, and at least one change is allowed. A
    /// name that continues `name` is near as well. Upper and lower case are equal.
    ///
    /// - Parameters:
    ///   - name: the name that is not known.
    ///   - known: the names to choose from.
    ///   - limit: maximum number of names in the result.
    package static func matches(_ name: String, in known: some Sequence<String>, limit: Int = 3) -> [String] {
        let wanted = Array(name.lowercased())
        guard !wanted.isEmpty, wanted.count <= lengthLimit else { return [] }
        let near = known.compactMap { candidate -> (distance: Int, name: String)? in
            let other = Array(candidate.lowercased())
            guard other.count <= lengthLimit else { return nil }
            let changes = distance(wanted, other)
            if changes <= max(1, max(wanted.count, other.count) / 3) { return (changes, candidate) }
            return wanted.count >= 3 && other.starts(with: wanted) ? (changes, candidate) : nil
        }
        return near.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(limit).map(\.name)
    }

    /// Returns the nearest known name; `nil` if no name is near.
    package static func best(_ name: String, in known: some Sequence<String>) -> String? {
        matches(name, in: known, limit: 1).first
    }

    /// Returns the number of characters to insert, delete, replace or swap with a neighbour (optimal string alignment).
    static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for row in left.indices {
            var line = [row + 1]
            for column in right.indices {
                let replaced = last[column] + (left[row] == right[column] ? 0 : 1)
                var changes = min(replaced, last[column + 1] + 1, line[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    changes = min(changes, beforeLast[column - 1] + 1)
                }
                line.append(changes)
            }
            (beforeLast, last) = (last, line)
        }
        return last[right.count]
    }
}
