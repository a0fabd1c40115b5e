/// Judges the canary: a message that stays in a separate queue. Its loss shows what the broker does to others. Pure.
///
/// A policy with a time limit (`message-ttl`, `expires`) applies to the canary queue as to the shard queues. AMQP tells
/// no policy, but it tells the number of messages.
struct CanaryState: Equatable, Sendable {
    /// When the present canary was placed, in microseconds since 1970-01-01 UTC; `nil` before the first one.
    var placedMicros: Int64?
    /// The age at which an earlier canary was missing, in microseconds; `nil` if none was lost, or not lately.
    var lostAfterMicros: Int64?

    /// Age at which a canary is replaced, in microseconds. A time limit applies only to messages that were published
    /// under its policy.
    static let replacedAfterMicros: Int64 = 86_400_000_000
    /// Time without a loss after which a loss is forgotten, besides twice the age of the lost canary, in microseconds.
    static let forgottenAfterMicros: Int64 = 3_600_000_000

    /// Records a check.
    ///
    /// - Parameters:
    ///   - messages: the number of messages in the canary queue.
    ///   - nowMicros: center clock, microseconds since 1970-01-01 UTC.
    ///   - isFirst: whether it is the first check of this center, which replaces the canary.
    /// - Returns: `true` if a canary must be placed now.
    mutating func record(messages: Int, nowMicros: Int64, isFirst: Bool = false) -> Bool {
        guard let placed = placedMicros else {
            placedMicros = nowMicros
            return messages == 0 || isFirst
        }
        let age = max(0, nowMicros - placed)
        if messages == 0 {
            lostAfterMicros = age
        } else if let lost = lostAfterMicros,
            age > min(2 * lost + CanaryState.forgottenAfterMicros, CanaryState.replacedAfterMicros)
        {
            lostAfterMicros = nil
        }
        guard messages == 0 || isFirst || age > CanaryState.replacedAfterMicros else { return false }
        placedMicros = nowMicros
        return true
    }
}
