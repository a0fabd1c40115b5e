/// A value of a statement parameter, with the storage class that SQLite uses for it.
package enum Value: Sendable, Hashable, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByNilLiteral
{
    case null
    case int(Int64)
    case text(String)
    case blob([UInt8])

    package init(integerLiteral value: Int64) { self = .int(value) }
    package init(stringLiteral value: String) { self = .text(value) }
    package init(nilLiteral: ()) { self = .null }
    /// An integer, or NULL for `nil`.
    package init(_ value: Int64?) { self = value.map(Value.int) ?? .null }
    /// A text, or NULL for `nil`.
    package init(_ value: String?) { self = value.map(Value.text) ?? .null }
}
