/// Decides which queues a worker subscribes to, and when. Pure.
///
/// It also decides when a shard returns to its owner, and when a queue has stalled.
///
/// Each channel has its own assignment, because subscriptions end with the channel.
///
/// A queue has a single active consumer: the first subscriber. The others are standbys, and the broker activates the
/// next one when the active consumer leaves. So each center subscribes to its own shards immediately, and to the others
/// as a standby after a delay. A center may take over the shards of a lost one. It unsubscribes when the owner is back,
/// and becomes a standby again.
struct ShardAssignment: Sendable {
    /// Delay before subscribing to other centers' shards as standby, in milliseconds. Gives centers that start together
    /// time to claim their own.
    static let standbyDelayMs: Int64 = 10_000
    /// Interval at which a center that consumes for another one checks whether the owner is back, in milliseconds.
    static let ownerCheckMs: Int64 = 2_000
    /// Limit of consecutive checks without a delivery although messages are ready. A queue that has delivered before
    /// then counts as stalled.
    static let quietChecksLimit = 2
    /// The same limit for a queue that has never delivered here. Most likely another center is its active consumer, and
    /// busy.
    static let standbyChecksLimit = 4

    /// A call to the broker that is due.
    enum Step: Equatable, Sendable {
        case subscribe(shard: Int, consumerTag: String)
        /// Check whether this center consumes its presence queue.
        case checkOwner(Int)
        /// Read the number of ready messages of the shard's queue.
        case checkQueue(Int)
    }

    private struct Shard: Sendable {
        /// `nil` if not subscribed.
        var consumerTag: String?
        var subscribeAtMs: Int64
        /// Deliveries of this subscription, and how many there were at the last check.
        var deliveries = 0
        var deliveriesSeen = 0
        /// Ready messages at the last check.
        var readySeen = 0
        var quietChecks = 0
    }

    let instance: CenterInstance
    private let name: String
    /// Between two checks, of which each covers one queue.
    private let queueCheckMs: Int64
    private var shards: [Shard]
    private var shardOfTag: [String: Int] = [:]
    private var subscriptions = 0
    private var nextQueue = 0
    private var queueCheckAtMs: Int64
    private var ownerCheckAtMs: Int64
    private var ownersToCheck: [Int] = []

    /// Creates the assignment of one worker on a new channel.
    ///
    /// - Parameters:
    ///   - count: number of shards.
    ///   - instance: this center.
    ///   - worker: index of the worker, from 0. The `workers` of a center divide its own shards, and those of each
    ///     other center, among themselves.
    ///   - workers: number of workers of this center.
    ///   - name: prefix of every consumer tag. It must be new for each channel: RabbitMQ 3.10 may never deliver the
    ///     messages of a quorum queue to a tag that was used before.
    ///   - queueCheckMs: interval at which each queue is checked, in milliseconds.
    ///   - nowMs: monotonic clock, in milliseconds.
    init(
        shards count: Int, instance: CenterInstance, worker: Int = 0, workers: Int = 1, name: String,
        queueCheckMs: Int, nowMs: Int64
    ) {
        self.instance = instance
        self.name = name
        self.queueCheckMs = max(1, Int64(queueCheckMs / max(1, count)))
        shards = (0..<count).map { shard in
            guard shard / instance.count % workers == worker else { return Shard(subscribeAtMs: .max) }
            let isOwn = instance.owner(of: shard) == instance.number
            return Shard(subscribeAtMs: isOwn ? nowMs : nowMs + ShardAssignment.standbyDelayMs)
        }
        queueCheckAtMs = nowMs + self.queueCheckMs
        ownerCheckAtMs = nowMs + ShardAssignment.ownerCheckMs
    }

    /// Returns the next due step and records it as done; `nil` if none is due.
    mutating func next(nowMs: Int64) -> Step? {
        if let shard = shards.firstIndex(where: { $0.consumerTag == nil && $0.subscribeAtMs <= nowMs }) {
            subscriptions += 1
            let tag = "\(name)-\(shard)-\(subscriptions)"
            shards[shard] = Shard(consumerTag: tag, subscribeAtMs: nowMs)
            shardOfTag[tag] = shard
            return .subscribe(shard: shard, consumerTag: tag)
        }
        if ownerCheckAtMs <= nowMs {
            ownerCheckAtMs = nowMs + ShardAssignment.ownerCheckMs
            ownersToCheck = replacedOwners
        }
        if let owner = ownersToCheck.popLast() { return .checkOwner(owner) }
        guard queueCheckAtMs <= nowMs else { return nil }
        queueCheckAtMs = nowMs + queueCheckMs
        defer { nextQueue = (nextQueue + 1) % shards.count }
        return shards[nextQueue].consumerTag == nil ? nil : .checkQueue(nextQueue)
    }

    /// Other centers whose shards deliver here.
    private var replacedOwners: [Int] {
        var owners: Set<Int> = []
        for (index, shard) in shards.enumerated() where shard.consumerTag != nil && shard.deliveries > 0 {
            owners.insert(instance.owner(of: index))
        }
        return owners.subtracting([instance.number]).sorted()
    }

    /// Records a delivery.
    ///
    /// - Returns: the shard if this is the first delivery of another center's shard, that is, a takeover; else `nil`.
    mutating func recordDelivery(consumerTag: String) -> Int? {
        guard let shard = shardOfTag[consumerTag], shards[shard].consumerTag == consumerTag else { return nil }
        shards[shard].deliveries += 1
        return shards[shard].deliveries == 1 && instance.owner(of: shard) != instance.number ? shard : nil
    }

    /// Releases the shards of a center that is back.
    ///
    /// Deliveries in hand are settled as usual. After `standbyDelayMs` the worker subscribes again, as a standby.
    ///
    /// - Returns: the subscriptions to cancel: those of the owner's shards that deliver here.
    mutating func release(to owner: Int, nowMs: Int64) -> [(shard: Int, consumerTag: String)] {
        var released: [(shard: Int, consumerTag: String)] = []
        for index in shards.indices where instance.owner(of: index) == owner && owner != instance.number {
            guard let tag = shards[index].consumerTag, shards[index].deliveries > 0 else { continue }
            released.append((index, tag))
            shardOfTag[tag] = nil
            shards[index] = Shard(subscribeAtMs: nowMs + ShardAssignment.standbyDelayMs)
        }
        return released
    }

    /// Records a check of a subscribed queue.
    ///
    /// - Parameters:
    ///   - index: the shard.
    ///   - ready: messages that are ready for delivery.
    ///   - consumers: consumers that the broker would deliver to. Standbys are not counted.
    ///   - unsettled: deliveries in hand, of all queues. While there are any, the absence of new ones proves nothing.
    /// - Returns: `true` if the queue has stalled, and only a new connection helps.
    mutating func recordQueueCheck(shard index: Int, ready: Int, consumers: Int, unsettled: Int) -> Bool {
        let shard = shards[index]
        guard shard.consumerTag != nil else { return false }
        let isQuiet = ready > 0 && unsettled == 0 && shard.deliveries == shard.deliveriesSeen
        // If another center processes the queue, the number of ready messages falls sooner or later.
        let isOurs = shard.deliveries > 0 || consumers == 0
        let isSuspect = isQuiet && (isOurs || shard.quietChecks == 0 || ready >= shard.readySeen)
        shards[index].quietChecks = isSuspect ? shard.quietChecks + 1 : 0
        shards[index].deliveriesSeen = shard.deliveries
        shards[index].readySeen = ready
        let limit = isOurs ? ShardAssignment.quietChecksLimit : ShardAssignment.standbyChecksLimit
        return shards[index].quietChecks >= limit
    }
}
