/// Decides which queues a center consumes when, when it hands one back to its owner, and when one has fallen silent: pure.
/// One for each channel, for subscriptions end with it.
///
/// A queue has a single active consumer, the one that subscribed first; the others stand by, and the broker makes the next
/// one active when it goes. So each center subscribes to its own shards at once and stands by at the rest a little later.
/// Whoever has taken over from a center that was gone lets go when that one is back, and stands by again.
struct ShardAssignment: Sendable {
    /// A center stands by at the shards of the others so much later than it consumes its own: centers that start together
    /// share.
    static let standByMs: Int64 = 10_000
    /// How often a center that consumes for another asks whether that one is back.
    static let ownerLookMs: Int64 = 2_000
    /// So often in a row a queue that has delivered before may be seen with messages and without delivering.
    static let quietLooksLimit = 2
    /// The same for one that has never delivered here: most likely another center is its active consumer, and busy.
    static let standByLooksLimit = 4

    enum Step: Equatable, Sendable {
        case subscribe(shard: Int, consumerTag: String)
        /// Ask whether this center consumes its presence queue.
        case lookAtOwner(Int)
        /// Ask how much waits in the shard's queue.
        case lookAtQueue(Int)
    }

    private struct Shard: Sendable {
        var consumerTag: String?
        var subscribeAtMs: Int64
        /// Deliveries of this subscription, and how many of them at the last look.
        var deliveries = 0
        var deliveriesSeen = 0
        /// Messages that waited at the last look.
        var readySeen = 0
        var quietLooks = 0
    }

    let place: CenterInstance
    private let name: String
    private let queueLookMs: Int64
    private var shards: [Shard]
    private var shardOfTag: [String: Int] = [:]
    private var subscriptions = 0
    private var nextQueue = 0
    private var queueLookAtMs: Int64
    private var ownerLookAtMs: Int64
    private var owners: [Int] = []

    /// - Parameters:
    ///   - lane: of `lanes` that share the shards of this center, and those of each other one, among them: from 0.
    ///   - name: begins every consumer tag. Never one that was used before: RabbitMQ 3.10 may keep messages of a quorum
    ///     queue from it for ever.
    ///   - queueLookMs: how often each queue is looked at.
    init(
        shards count: Int, place: CenterInstance, lane: Int = 0, lanes: Int = 1, name: String, queueLookMs: Int,
        nowMs: Int64
    ) {
        (self.place, self.name) = (place, name)
        self.queueLookMs = max(1, Int64(queueLookMs / max(1, count)))
        shards = (0..<count).map {
            guard $0 / place.count % lanes == lane else { return Shard(subscribeAtMs: .max) }
            return Shard(subscribeAtMs: place.owner(of: $0) == place.number ? nowMs : nowMs + ShardAssignment.standByMs)
        }
        (queueLookAtMs, ownerLookAtMs) = (nowMs + self.queueLookMs, nowMs + ShardAssignment.ownerLookMs)
    }

    /// What to do now; nil: nothing. What it names counts as done.
    mutating func next(nowMs: Int64) -> Step? {
        if let shard = shards.firstIndex(where: { $0.consumerTag == nil && $0.subscribeAtMs <= nowMs }) {
            subscriptions += 1
            let tag = "\(name)-\(shard)-\(subscriptions)"
            shards[shard] = Shard(consumerTag: tag, subscribeAtMs: nowMs)
            shardOfTag[tag] = shard
            return .subscribe(shard: shard, consumerTag: tag)
        }
        if ownerLookAtMs <= nowMs {
            ownerLookAtMs = nowMs + ShardAssignment.ownerLookMs
            owners = ownersStoodInFor
        }
        if let owner = owners.popLast() { return .lookAtOwner(owner) }
        guard queueLookAtMs <= nowMs else { return nil }
        queueLookAtMs = nowMs + queueLookMs
        defer { nextQueue = (nextQueue + 1) % shards.count }
        return shards[nextQueue].consumerTag == nil ? nil : .lookAtQueue(nextQueue)
    }

    /// Centers whose shards deliver here.
    private var ownersStoodInFor: [Int] {
        var owners: Set<Int> = []
        for (index, shard) in shards.enumerated() where shard.consumerTag != nil && shard.deliveries > 0 {
            owners.insert(place.owner(of: index))
        }
        return owners.subtracting([place.number]).sorted()
    }

    /// A delivery came. Gives the shard when it is the first of another center's: it was taken over.
    mutating func delivered(consumerTag: String) -> Int? {
        guard let shard = shardOfTag[consumerTag], shards[shard].consumerTag == consumerTag else { return nil }
        shards[shard].deliveries += 1
        return shards[shard].deliveries == 1 && place.owner(of: shard) != place.number ? shard : nil
    }

    /// The owner of shards that deliver here is back: gives the subscriptions to end. What they have delivered is settled as
    /// usual; later they are stood by at again.
    mutating func handBack(to owner: Int, nowMs: Int64) -> [(shard: Int, consumerTag: String)] {
        var ended: [(shard: Int, consumerTag: String)] = []
        for index in shards.indices where place.owner(of: index) == owner && owner != place.number {
            guard let tag = shards[index].consumerTag, shards[index].deliveries > 0 else { continue }
            ended.append((index, tag))
            shardOfTag[tag] = nil
            shards[index] = Shard(subscribeAtMs: nowMs + ShardAssignment.standByMs)
        }
        return ended
    }

    /// A look at a queue that is subscribed to.
    ///
    /// - Parameters:
    ///   - ready: messages that wait to be delivered.
    ///   - consumers: those that the broker would deliver to; who stands by is not counted.
    ///   - unsettled: deliveries in hand, of all queues: while there are any, not to get more proves nothing.
    /// - Returns: whether the queue has fallen silent: only another connection helps.
    mutating func looked(at index: Int, ready: Int, consumers: Int, unsettled: Int) -> Bool {
        let shard = shards[index]
        guard shard.consumerTag != nil else { return false }
        let isQuiet = ready > 0 && unsettled == 0 && shard.deliveries == shard.deliveriesSeen
        // At a queue that another center works off, the number falls sooner or later.
        let isOurs = shard.deliveries > 0 || consumers == 0
        let isSilent = isQuiet && (isOurs || shard.quietLooks == 0 || ready >= shard.readySeen)
        shards[index].quietLooks = isSilent ? shard.quietLooks + 1 : 0
        (shards[index].deliveriesSeen, shards[index].readySeen) = (shard.deliveries, ready)
        let limit = isOurs ? ShardAssignment.quietLooksLimit : ShardAssignment.standByLooksLimit
        return shards[index].quietLooks >= limit
    }
}
