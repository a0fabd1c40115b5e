import Runtime
import Synchronization

/// A delivery and where its acknowledgement belongs.
struct TakenDelivery: Sendable {
    /// Which consuming channel; tags of an older one are void.
    let generation: Int
    let tag: UInt64
    /// How often a consumer got it before and did not settle it.
    let deliveryCount: Int
    let delivery: IngestDelivery
    let intake: ValidatedDelivery
}

/// Deliveries that are done.
struct Settlement: Sendable {
    let generation: Int
    let accepted: [UInt64]
    let rejected: [UInt64]
}

/// What the consuming and the writing thread of one lane share.
final class WorkerChannel: Sendable {
    /// Deliveries that the consumers of all lanes together may hold. At 500 scans each half a million scans: seconds of work, a few
    /// megabytes; the bound on memory is this many times 1 MiB.
    static let prefetchTotal = 1_024
    /// Of each consumer at least this many, whatever the number of shards.
    static let prefetchLeast = 16

    static func prefetch(shards: Int) -> Int { max(prefetchLeast, prefetchTotal / shards) }

    let deliveries: Mailbox<TakenDelivery>
    /// A settlement stands for one delivery at least.
    let settlements: Mailbox<Settlement>
    /// The consuming channel now; what is of another one was given back to the broker.
    let generation = Atomic(0)
    /// How many queues there are; 0 until the database said so.
    let shards = Atomic(0)
    /// The writer has ended, and sends no more settlements.
    let writerEnded = StopSignal()
    /// Its number among the lanes: it consumes the queues of its number, and every n-th after.
    let lane: Int

    init(lane: Int) {
        self.lane = lane
        // SPEC.md allows 1,024 shards of 16.
        let capacity = WorkerChannel.prefetchLeast * WorkerChannel.prefetchTotal
        (deliveries, settlements) = (Mailbox(capacity: capacity), Mailbox(capacity: capacity))
    }

    /// A new consuming channel begins: what the old one delivered comes again.
    @discardableResult
    func newGeneration() -> Int {
        let new = generation.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
        _ = deliveries.drain()
        return new
    }
}
