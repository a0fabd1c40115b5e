/// What is wrong with a part of a row, before it is known where the row stands: the end of a sentence that begins with
/// the part.
public struct CellProblem: Error, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
