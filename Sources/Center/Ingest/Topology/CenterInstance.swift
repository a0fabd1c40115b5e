/// Which of several centers this one is, where they share the queues: `number` of `count`, both from 1.
package struct CenterInstance: Sendable, Hashable, CustomStringConvertible {
    /// Most centers: each keeps a queue of its own and looks at those of the others.
    package static let countLimit = 64

    package let number: Int
    package let count: Int

    /// The only one.
    package init() { (number, count) = (1, 1) }

    /// `2/3`, the second of three; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = Int(parts[0]), let count = Int(parts[1]),
            (1...CenterInstance.countLimit).contains(count), (1...count).contains(number)
        else { return nil }
        (self.number, self.count) = (number, count)
    }

    package var description: String { "\(number)/\(count)" }

    /// The center whose shard this is, as long as it is there.
    func owner(of shard: Int) -> Int { shard % count + 1 }
}
