import Runtime
import Synchronization

/// A decoded delivery and the channel that its acknowledgement belongs to.
struct ReceivedDelivery: Sendable {
    /// The generation of the consuming channel. Tags of an older generation are void.
    let generation: Int
    let tag: UInt64
    /// How many times the broker delivered it before without a settlement.
    let deliveryCount: Int
    let delivery: IngestDelivery
    let validated: ValidatedDelivery
}

/// The result of a committed group: what the consumer may acknowledge, and what it rejects.
struct Settlement: Sendable {
    let generation: Int
    let accepted: [UInt64]
    let rejected: [UInt64]
}

/// The shared state of one worker's two threads: deliveries from the consumer to the writer, settlements back.
final class WorkerChannel: Sendable {
    /// Maximum number of unacknowledged deliveries of all workers together.
    ///
    /// At 500 scans each these are half a million scans: seconds of work, a few megabytes.
    static let prefetchTotal = 1_024
    /// Size of the bodies in hand, in bytes, at which a worker stops reading until some are stored.
    ///
    /// Usual batches never reach it: `prefetchTotal` of them are a tenth of it. A body has at most 1 MiB; of a larger
    /// one only the beginning is kept. While the broker answers a call, as much may arrive once more; the connection
    /// returns what is above to its queue.
    static let bodiesLimitBytes = 64 << 20
    /// Time without a settlement after which a worker that reads no more returns its deliveries to the broker, in
    /// milliseconds. RabbitMQ ends a connection that reads nothing for 15 s.
    static let fullLimitMs: Int64 = 10_000
    /// Minimum prefetch of each consumer, whatever the number of shards.
    static let prefetchMinimum = 16

    /// The prefetch of each consumer, which subscribes to one shard.
    static func prefetch(shards: Int) -> Int { max(prefetchMinimum, prefetchTotal / shards) }

    let deliveries: Mailbox<ReceivedDelivery>
    /// Each settlement covers at least one delivery.
    let settlements: Mailbox<Settlement>
    /// The current consuming channel. The broker has requeued the deliveries of every other one.
    let generation = Atomic(0)
    /// The number of shards; 0 until it is read from the database.
    let shards = Atomic(0)
    /// Set when the writer has ended and sends no more settlements.
    let writerEnded = StopSignal()
    /// The worker's index, from 0. With N workers it consumes every N-th shard of a center, from this one on.
    let worker: Int

    init(worker: Int) {
        self.worker = worker
        // Enough for the limit of 1,024 shards (IngestSettings.shardsRange) with the minimum prefetch.
        let capacity = WorkerChannel.prefetchMinimum * WorkerChannel.prefetchTotal
        deliveries = Mailbox(capacity: capacity)
        settlements = Mailbox(capacity: capacity)
    }

    /// Begins a new consuming channel. The broker redelivers what the old one delivered.
    ///
    /// - Returns: the new generation.
    @discardableResult
    func newGeneration() -> Int {
        let new = generation.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
        _ = deliveries.drain()
        return new
    }
}
