/// Turns settled deliveries into as few acknowledgements as possible. Pure.
///
/// Each channel has its own window, because a delivery tag is valid only on the channel that delivered it.
struct AckWindow: Sendable {
    /// A call to the broker.
    enum Action: Equatable, Sendable {
        /// Acknowledges the tag and, if `multiple`, all outstanding tags below it.
        case ack(UInt64, multiple: Bool)
        case reject(UInt64)
    }

    /// In order of delivery. Tags on a channel only increase.
    private var outstanding: ArraySlice<(tag: UInt64, bytes: Int)> = []
    private var accepted: Set<UInt64> = []
    private var rejected: Set<UInt64> = []

    /// The number of deliveries that are not acknowledged yet.
    var count: Int { outstanding.count }
    /// The size of their bodies, in bytes.
    private(set) var bodyBytes = 0

    mutating func deliver(_ tag: UInt64, bytes: Int = 0) {
        outstanding.append((tag, bytes))
        bodyBytes += bytes
    }

    /// Settles deliveries.
    ///
    /// An accepted delivery behind an unsettled one waits for it: RabbitMQ rejects an acknowledgement up to a tag that
    /// was settled before. Groups are stored in order, so the wait is short.
    ///
    /// - Parameters:
    ///   - tags: deliveries that are stored or quarantined.
    ///   - rejectedTags: deliveries for the dead-letter queue.
    /// - Returns: the calls to make, in this order.
    mutating func settle(accepted tags: [UInt64], rejected rejectedTags: [UInt64] = []) -> [Action] {
        accepted.formUnion(tags)
        rejected.formUnion(rejectedTags)
        var actions = rejectedTags.map(Action.reject)
        var last: UInt64?
        var count = 0
        while let (tag, bytes) = outstanding.first {
            if accepted.remove(tag) != nil {
                last = tag
                count += 1
            } else if rejected.remove(tag) == nil {
                break
            }
            outstanding.removeFirst()
            bodyBytes -= bytes
        }
        if let last { actions.append(.ack(last, multiple: count > 1)) }
        return actions
    }
}
