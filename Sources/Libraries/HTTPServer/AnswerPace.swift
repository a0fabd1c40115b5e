/// How fast a client takes an answer, by what its host has acknowledged: what leaves the program may only lie in a buffer.
struct AnswerPace {
    private var bytes: Int64
    private var sinceS: Int

    /// - Parameter bytes: acknowledged on the connection until now, those of earlier answers among them.
    init(bytes: Int64, nowS: Int) { (self.bytes, sinceS) = (bytes, nowS) }

    /// Whether it has taken fewer than `least` bytes more, for `limitS` seconds. To be asked once in a while.
    mutating func isTooSlow(bytes: Int64, nowS: Int, least: Int64, limitS: Int) -> Bool {
        guard bytes - self.bytes < least else {
            (self.bytes, sinceS) = (bytes, nowS)
            return false
        }
        return nowS - sinceS >= limitS
    }
}
