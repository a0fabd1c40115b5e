/// Detects columns of long numbers that a spreadsheet has rounded to 15 digits and written in full: the digits behind
/// them are zeros.
///
/// Of the right numbers of 16 digits, one of ten ends with a zero by chance; of those of 19 digits, one of 10,000 ends
/// with four. So a column is rejected only if many more of its long numbers end like that than by chance.
struct RoundedNumbers {
    /// Maximum number of lines that are kept for messages.
    private static let limit = ImportRejected.limit
    /// Digits that a spreadsheet keeps.
    private static let keptDigits = 15
    /// Least number of zeros in place of digits in a whole column: fewer are there by chance.
    private static let leastZeros = 4
    /// Factor by which the rounded numbers of a rejected column exceed those by chance.
    private static let excess = 5.0

    private struct Column {
        var long = 0
        var rounded = 0
        var zeros = 0
        /// Number of rounded numbers that chance explains.
        var expected = 0.0
        var first: [(line: Int, text: String)] = []

        var isRounded: Bool {
            zeros >= leastZeros && rounded * 10 >= long && Double(rounded) >= excess * expected
        }
    }

    private var columns: [String: Column] = [:]

    /// Adds a cell to its column.
    ///
    /// A cell with the mark for "this is a text" is not counted: a spreadsheet does not round it.
    mutating func note(_ name: String, _ cell: String?, line: Int) {
        guard let cell, cell.utf8.count > Self.keptDigits else { return }
        let bytes = Array(cell.utf8)
        let end = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.count
        let digits = bytes[..<end].drop { $0 == UInt8(ascii: "-") }
        let lost = digits.count - Self.keptDigits
        guard lost > 0, digits.first != UInt8(ascii: "0"), digits.allSatisfy({ (48...57).contains($0) }) else { return }
        var column = columns[name] ?? Column()
        column.long += 1
        var chance = 1.0
        for _ in 0..<lost { chance /= 10 }
        column.expected += chance
        if digits.suffix(lost).allSatisfy({ $0 == UInt8(ascii: "0") }) {
            column.rounded += 1
            column.zeros += lost
            if column.first.count < Self.limit { column.first.append((line, cell)) }
        }
        columns[name] = column
    }

    /// The errors of the rounded columns; empty for a list whose numbers are whole.
    var problems: [RowError] {
        columns.sorted { $0.key < $1.key }.filter(\.value.isRounded).flatMap { name, column in
            column.first.map { line, text in
                RowError(
                    line: line,
                    "\(name) '\(text)' was rounded by a spreadsheet: use the file as it was exported, and format the "
                        + "column as text before it is opened in a spreadsheet (a right value gets an apostrophe before it)"
                )
            }
        }
    }
}
