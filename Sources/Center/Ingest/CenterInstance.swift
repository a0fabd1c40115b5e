/// Which of several centers this one is, where they share the queues: `number` of `count`, both from 1.
public struct CenterPlace: Sendable, Hashable, CustomStringConvertible {
    /// Most centers: each keeps a queue of its own and looks at those of the others.
    public static let countLimit = 64

    public let number: Int
    public let count: Int

    /// The only one.
    public init() { (number, count) = (1, 1) }

    /// `2/3`, the second of three; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = Int(parts[0]), let count = Int(parts[1]),
            (1...CenterPlace.countLimit).contains(count), (1...count).contains(number)
        else { return nil }
        (self.number, self.count) = (number, count)
    }

    public var description: String { "\(number)/\(count)" }

    /// The center whose shard this is, as long as it is there.
    func owner(of shard: Int) -> Int { shard % count + 1 }
}
