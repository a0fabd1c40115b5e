/// Full-jitter exponential back-off: each delay is uniform in 0...min(cap, base * 2^attempt).
///
/// A pure value: the caller supplies the random numbers and waits.
package struct Backoff: Sendable {
    private let baseMs: Int
    private let capMs: Int
    /// Number of failed attempts since the last success.
    package private(set) var attempt = 0

    /// - Parameters:
    ///   - baseMs: upper bound of the first delay, in milliseconds; positive.
    ///   - capMs: upper bound of every delay, in milliseconds; at least `baseMs`.
    package init(baseMs: Int = 100, capMs: Int = 5_000) {
        precondition(baseMs > 0 && capMs >= baseMs)
        self.baseMs = baseMs
        self.capMs = capMs
    }

    /// Counts a failed attempt and returns the delay before the next one, in milliseconds.
    package mutating func nextDelayMs(using random: inout some RandomNumberGenerator) -> Int {
        let ceiling = min(capMs, baseMs << min(attempt, 16))
        attempt += 1
        return Int.random(in: 0...ceiling, using: &random)
    }

    /// Counts a failed attempt and returns the delay before the next one, in milliseconds. Uses the system's
    /// random numbers.
    package mutating func nextDelayMs() -> Int {
        var random = SystemRandomNumberGenerator()
        return nextDelayMs(using: &random)
    }

    /// Restarts at the base delay. Call it after a success.
    package mutating func reset() { attempt = 0 }
}
