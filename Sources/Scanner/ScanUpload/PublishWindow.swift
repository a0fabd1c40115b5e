import Runtime
package import ScanModel

/// Decides what a publisher does next: connect, publish, wait. Events go in, `next` says what to do; it has no clock, no
/// socket and no file, and its memory is bounded by the window, whatever waits in the journal.
///
/// What it keeps true: the cursor of a journal moves only over a contiguous prefix of scans whose publishes were confirmed
/// and not returned. Everything else is published again, later; the center stores a scan once however often it comes.
///
/// Times are milliseconds of a clock that never steps.
package struct PublishWindow: Sendable {
    package struct Limits: Sendable {
        /// Scans in a batch at the most; lost connections halve the batch in force, quick confirms double it.
        package var batchScans = 500
        /// ... but never below this: 50 scans are about a kilobyte, which any link carries between two cuts.
        package var smallestBatchScans = 50
        /// How long a scan may wait for others to fill its batch.
        package var ageMs: Int64 = 1_000
        /// Batches published and not yet confirmed.
        package var windowBatches = 16
        /// Their bytes: what a connection that breaks makes us send again.
        package var windowBytes = 128 << 10
        /// Whether heartbeats are sent at all: they say that the device lives.
        package var sendsHeartbeats = true
        /// A heartbeat after so long without a publish.
        package var heartbeatMs: Int64 = 15_000
        /// Without any progress of what is in flight for so long, the connection is given up. Progress is a confirm, or
        /// bytes that the other side's kernel has acknowledged; how long a batch takes as a whole does not matter.
        package var stallMs: Int64 = 30_000
        /// A connection on which batches are only refused is given up after so long; each time that does not help, after twice
        /// as long, up to the second. A queue may be full for hours, but a channel of RabbitMQ 3.10 that met a queue while its
        /// leader was dead refuses for it as long as that node is away, and another channel would not.
        package var refusedMs: Int64 = 5_000
        package var refusedCapMs: Int64 = 160_000
        /// A full batch confirmed within this doubles the batch.
        package var quickMs: Int64 = 1_000
        /// Back-off after a failure: full jitter, doubling from the first to the second.
        package var backoffBaseMs = 100
        package var backoffCapMs = 5_000

        package init() {}
    }

    /// A journal of this scanner.
    package struct Source: Sendable, Equatable {
        /// The journal's number in its file.
        package var journal: Int64
        package var log: JournalID
        /// Scans in it so far.
        package var lastSeq: Int64
        /// Nothing will be added to it.
        package var isFinished: Bool

        package init(journal: Int64, log: JournalID, lastSeq: Int64, isFinished: Bool) {
            (self.journal, self.log, self.lastSeq, self.isFinished) = (journal, log, lastSeq, isFinished)
        }
    }

    /// Scans to publish as one batch: as many of `first ..< first + limit` as fit one.
    package struct Slice: Sendable, Equatable {
        package var journal: Int64
        package var log: JournalID
        package var first: Int64
        package var limit: Int
        /// The scanner's journal before, with its last seq; given with seq 1.
        package var previous: (log: JournalID, lastSeq: Int64)?
        /// Scans of this scanner known beyond `first - 1`.
        package var backlogFromFirst: Int64
        /// Which flight is published again; nil: a new one.
        var flight: UInt64?

        package static func == (left: Slice, right: Slice) -> Bool {
            (left.journal, left.first, left.limit, left.flight) == (
                right.journal, right.first, right.limit, right.flight
            )
        }
    }

    package enum Step: Sendable, Equatable {
        /// Connect to the address with this number (counted up for ever; take it modulo the addresses).
        case connect(address: Int)
        /// Open a channel in place of the one that was closed.
        case openChannel
        case publish(Slice)
        /// A batch without scans: `limit` is 0, `first` the next unsent seq.
        case heartbeat(Slice)
        /// Close the connection: it makes no progress.
        case giveUpConnection
        /// Nothing to do for so long, unless an event comes.
        case wait(ms: Int64)
    }

    struct Flight: Sendable {
        let id: UInt64
        let log: JournalID
        let first: Int64
        /// `first - 1` for a heartbeat.
        var last: Int64
        var bytes: Int
        /// Nil while it waits to be published again.
        var tag: UInt64?
        var sentMs: Int64
        var isConfirmed = false
        var isReturned = false
        var count: Int { Int(last - first + 1) }
    }

    enum Link: Sendable, Equatable {
        case down(untilMs: Int64)
        case channelClosed
        case up
    }

    package let limits: Limits
    /// Scans in a batch at present.
    package internal(set) var batchScans: Int
    package internal(set) var isBlocked = false
    /// Connections lost with scans unconfirmed.
    package internal(set) var losses = 0
    /// Publishes that were refused or returned.
    package internal(set) var refusals = 0
    /// Scans that do not exist any more, and over which the cursors have moved.
    package internal(set) var missing: Int64 = 0

    var sources: [Source] = []
    /// Last seq published, by journal; `shipped` where nothing is in flight.
    var sent: [JournalID: Int64] = [:]
    /// Last seq of the confirmed prefix.
    var shipped: [JournalID: Int64]
    var flights: [Flight] = []
    var nextFlight: UInt64 = 1
    var advances: [JournalID: Int64] = [:]
    var link = Link.down(untilMs: 0)
    var address = 0
    /// No publish before this: the broker said "later".
    var resumeMs: Int64 = 0
    var progressMs: Int64 = 0
    /// Since when this connection has refused and confirmed nothing.
    var refusedSinceMs: Int64?
    var refusedLimitMs: Int64
    var isRefusedTooLong = false
    var lastPublishMs: Int64
    /// Since when scans wait that do not fill a batch.
    var partialSinceMs: Int64?
    var heartbeatIsDue = true
    var connectBackoff: Backoff
    var resumeBackoff: Backoff
    var random: SeededRandom

    /// - Parameters:
    ///   - shipped: the last seq of the confirmed prefix of each journal, as kept on disk.
    ///   - seed: of the jitter.
    package init(_ limits: Limits = Limits(), shipped: [JournalID: Int64], seed: UInt64, nowMs: Int64) {
        precondition(limits.batchScans > 0 && limits.windowBatches > 0)
        (self.limits, self.shipped, batchScans, lastPublishMs) = (limits, shipped, limits.batchScans, nowMs)
        refusedLimitMs = limits.refusedMs
        connectBackoff = Backoff(baseMs: limits.backoffBaseMs, capMs: limits.backoffCapMs)
        resumeBackoff = connectBackoff
        random = SeededRandom(seed: seed)
    }

    /// Scans of this scanner known and not confirmed.
    package var backlog: Int64 {
        sources.reduce(0) { $0 + max(0, $1.lastSeq - (shipped[$1.log] ?? 0)) }
    }

    /// Scans of a source that were not published yet.
    func unsent(_ source: Source) -> Int64 { max(0, source.lastSeq - (sent[source.log] ?? 0)) }

    /// Batches published and not yet confirmed.
    package var inFlight: Int { flights.count { $0.tag != nil && !$0.isConfirmed } }

    /// Whether all scans known are confirmed.
    package var isIdle: Bool { flights.isEmpty && backlog == 0 }

    /// How far the cursors have moved since the last call: to be made durable.
    package mutating func takeAdvances() -> [JournalID: Int64] {
        defer { advances = [:] }
        return advances
    }

    /// Whether `takeAdvances` would give anything.
    package var hasAdvances: Bool { !advances.isEmpty }
}
