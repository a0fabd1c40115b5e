/// A value to bind.
public enum Value: Sendable, Hashable, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByNilLiteral
{
    case null
    case int(Int64)
    case text(String)
    case blob([UInt8])

    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(stringLiteral value: String) { self = .text(value) }
    public init(nilLiteral: ()) { self = .null }
    public init(_ value: Int64?) { self = value.map(Value.int) ?? .null }
    public init(_ value: String?) { self = value.map(Value.text) ?? .null }
}
