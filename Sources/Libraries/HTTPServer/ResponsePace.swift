/// Speed at which a client receives a response, measured by the bytes that its host has acknowledged. Bytes that the
/// program has written may still be in a buffer.
struct ResponsePace {
    private var bytes: Int64
    private var sinceS: Int

    /// - Parameters:
    ///   - bytes: bytes acknowledged on the connection so far, earlier responses included.
    ///   - nowS: monotonic clock, in seconds.
    init(bytes: Int64, nowS: Int) {
        self.bytes = bytes
        sinceS = nowS
    }

    /// Returns whether fewer than `least` bytes were acknowledged for at least `limitS` seconds. Call it regularly.
    mutating func isTooSlow(bytes: Int64, nowS: Int, least: Int64, limitS: Int) -> Bool {
        guard bytes - self.bytes < least else {
            (self.bytes, sinceS) = (bytes, nowS)
            return false
        }
        return nowS - sinceS >= limitS
    }
}
