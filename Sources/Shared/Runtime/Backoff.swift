/// Full-jitter exponential back-off: each delay is uniform in 0...min(cap, base * 2^attempt).
///
/// A pure value: the caller brings the randomness and does the waiting.
package struct Backoff: Sendable {
    package let baseMs: Int
    package let capMs: Int
    package private(set) var attempt = 0

    package init(baseMs: Int = 100, capMs: Int = 5_000) {
        precondition(baseMs > 0 && capMs >= baseMs)
        self.baseMs = baseMs
        self.capMs = capMs
    }

    /// The next delay in milliseconds; each call counts as one failed attempt.
    package mutating func nextDelayMs(using random: inout some RandomNumberGenerator) -> Int {
        let ceiling = min(capMs, baseMs << min(attempt, 16))
        attempt += 1
        return Int.random(in: 0...ceiling, using: &random)
    }

    package mutating func nextDelayMs() -> Int {
        var random = SystemRandomNumberGenerator()
        return nextDelayMs(using: &random)
    }

    /// To be called after a success: the next failure waits from the base again.
    package mutating func reset() { attempt = 0 }
}
