/// Turns "these deliveries are done" into as few acknowledgements as possible: pure. One for each channel, for delivery tags
/// mean nothing on another.
struct AckWindow: Sendable {
    enum Action: Equatable, Sendable {
        case ack(UInt64, multiple: Bool)
        case reject(UInt64)
    }

    /// In order of delivery; tags on a channel only rise.
    private var outstanding: ArraySlice<UInt64> = []
    private var accepted: Set<UInt64> = []
    private var rejected: Set<UInt64> = []

    var count: Int { outstanding.count }

    mutating func deliver(_ tag: UInt64) { outstanding.append(tag) }

    /// Settles deliveries. What lies behind one that is not done yet waits for it: groups are done in order, so it does not
    /// wait long, and RabbitMQ refuses an acknowledgement up to a tag that was settled before.
    mutating func settle(accepted tags: [UInt64], rejected refused: [UInt64] = []) -> [Action] {
        accepted.formUnion(tags)
        rejected.formUnion(refused)
        var actions = refused.map(Action.reject)
        var last: UInt64?
        var count = 0
        while let tag = outstanding.first {
            if accepted.remove(tag) != nil {
                last = tag
                count += 1
            } else if rejected.remove(tag) == nil {
                break
            }
            outstanding.removeFirst()
        }
        if let last { actions.append(.ack(last, multiple: count > 1)) }
        return actions
    }
}
