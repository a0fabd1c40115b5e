/// The number of this center among several that share the queues: `number` of `count`, both from 1.
package struct CenterInstance: Sendable, Hashable, CustomStringConvertible {
    /// Maximum number of centers. Each one has a presence queue, and checks those of the others.
    package static let countLimit = 64

    /// The number of this center, from 1 to `count`.
    package let number: Int
    /// The number of centers that share the queues, at most `countLimit`.
    package let count: Int

    /// The only center, `1/1`.
    package init() {
        number = 1
        count = 1
    }

    /// Parses `K/N`, as `2/3` for the second of three.
    ///
    /// - Parameter text: the setting.
    /// - Returns: `nil` if the text has another form, or if not 1 <= K <= N <= `countLimit`.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = Int(parts[0]), let count = Int(parts[1]),
            (1...CenterInstance.countLimit).contains(count), (1...count).contains(number)
        else { return nil }
        self.number = number
        self.count = count
    }

    /// The form that `init(_:)` parses: `2/3`.
    package var description: String { "\(number)/\(count)" }

    /// Returns the number of the center that consumes a shard while it is running.
    func owner(of shard: Int) -> Int { shard % count + 1 }
}
