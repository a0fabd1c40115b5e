/// Judges the canary: a message that stays in a separate queue. Its loss shows what the broker does to others. Pure.
///
/// A policy with a time limit (`message-ttl`, `expires`) applies to the canary queue as to the shard queues. AMQP tells
/// no policy, but it tells the number of messages.
struct CanaryState: Equatable, Sendable {
    /// When the present canary was placed, in microseconds since 1970-01-01 UTC; `nil` before the first one.
    var placedMicros: Int64?
    /// The age at which an earlier canary was missing, in microseconds; `nil` if none was lost, or not lately.
    var lostAfterMicros: Int64?

    /// Time without a loss after which a loss is forgotten, besides twice the age of the lost canary, in microseconds.
    static let forgottenAfterMicros: Int64 = 3_600_000_000

    /// Records a check.
    ///
    /// - Parameters:
    ///   - messages: the number of messages in the canary queue.
    ///   - nowMicros: center clock, microseconds since 1970-01-01 UTC.
    /// - Returns: `true` if a canary must be placed now.
    mutating func record(messages: Int, nowMicros: Int64) -> Bool {
        guard let placed = placedMicros else {
            placedMicros = nowMicros
            return messages == 0
        }
        let age = max(0, nowMicros - placed)
        if messages == 0 {
            lostAfterMicros = age
            placedMicros = nowMicros
            return true
        }
        if let lost = lostAfterMicros, age > 2 * lost + CanaryState.forgottenAfterMicros { lostAfterMicros = nil }
        return false
    }
}
