/// What is wrong with a part of a row, before it is known where the row stands: the end of a sentence that begins with
/// the part.
package struct CellError: Error, Sendable, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}
