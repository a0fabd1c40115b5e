/// A value of a statement parameter.
package enum Value: Sendable, Hashable, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByNilLiteral
{
    case null
    case int(Int64)
    case text(String)
    case blob([UInt8])

    package init(integerLiteral value: Int64) { self = .int(value) }
    package init(stringLiteral value: String) { self = .text(value) }
    package init(nilLiteral: ()) { self = .null }
    package init(_ value: Int64?) { self = value.map(Value.int) ?? .null }
    package init(_ value: String?) { self = value.map(Value.text) ?? .null }
}
