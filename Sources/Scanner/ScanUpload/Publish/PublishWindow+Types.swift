package import ScanBatchCodec
package import ScanModel

extension PublishWindow {
    /// Limits and time-outs of the publisher.
    package struct Limits: Sendable {
        /// Maximum number of scans in a batch. A lost connection halves the current limit, a quick confirm doubles it.
        package var batchScans = 500
        /// Lower bound of the current limit. 50 scans are about 1 kB, which any link transfers between two
        /// disconnects.
        package var smallestBatchScans = 50
        /// Minimum interval between two batches that are not full, and so the maximum time that a scan waits for others.
        package var ageMs: Int64 = 1_000
        /// Maximum number of batches that are published and not confirmed.
        package var windowBatches = 16
        /// Maximum size of these batches together: the bytes that a lost connection makes the publisher send again.
        package var windowBytes = 128 << 10
        /// Whether heartbeats are sent. They report that the device works.
        package var sendsHeartbeats = true
        /// Time without a publish after which a heartbeat is sent.
        package var heartbeatMs: Int64 = 15_000
        /// Time without a heartbeat after which one is sent although scans are published: batches of scans carry no
        /// state of the device.
        package var busyHeartbeatMs: Int64 = 60_000
        /// Time without progress after which the connection is closed. Progress is a confirm, or bytes that the
        /// peer's kernel has acknowledged. The total time of a batch has no limit.
        package var stallMs: Int64 = 30_000
        /// Time after which a connection is closed on which batches were only rejected. Each repetition doubles it,
        /// up to `refusedCapMs`.
        ///
        /// A queue can be full for hours, so the time doubles. RabbitMQ 3.10: a channel that found a queue without a
        /// leader rejects until that node returns. A new channel does not.
        package var refusedMs: Int64 = 5_000
        /// Upper bound of the time after `refusedMs` was doubled.
        package var refusedCapMs: Int64 = 160_000
        /// A full batch that is confirmed within this time doubles the batch limit.
        package var quickMs: Int64 = 1_000
        /// Back-off after a failure: full jitter, doubling from `backoffBaseMs` to `backoffCapMs`.
        package var backoffBaseMs = 100
        /// Upper bound of the back-off.
        package var backoffCapMs = 5_000

        /// Creates the limits that a publisher in operation uses.
        package init() {}
    }

    /// A journal of this scanner.
    package struct Source: Sendable, Equatable {
        /// The number of the journal in its file.
        package var number: Int64
        /// The random ID of the journal.
        package var journalID: JournalID
        /// The last seq in the journal at present.
        package var lastSeq: Int64
        /// Whether no scan can be added to the journal.
        package var isFinished: Bool

        /// Creates the state of a journal.
        ///
        /// - Parameters:
        ///   - number: the number of the journal in its file.
        ///   - journalID: the random ID of the journal.
        ///   - lastSeq: the last seq in the journal at present; 0 without scans.
        ///   - isFinished: whether no scan can be added to the journal.
        package init(number: Int64, journalID: JournalID, lastSeq: Int64, isFinished: Bool) {
            self.number = number
            self.journalID = journalID
            self.lastSeq = lastSeq
            self.isFinished = isFinished
        }
    }

    /// Scans to publish as one batch: as many of `first ..< first + limit` as one batch can hold.
    package struct Slice: Sendable, Equatable {
        /// The number of the journal in its file.
        package var number: Int64
        /// The journal of the scans.
        package var journalID: JournalID
        /// Seq of the first scan.
        package var first: Int64
        /// Maximum number of scans; 0 for a heartbeat.
        package var limit: Int
        /// The scanner's previous journal. Only set with seq 1.
        package var previous: ScanBatch.After?
        /// Number of known scans of this scanner from `first` on.
        package var backlogFromFirst: Int64
        /// The published batch that is repeated, or `nil` for a new one.
        var repeats: UInt64?
    }

    /// The next action of the publisher.
    package enum Step: Sendable, Equatable {
        /// Connect to an address. The number increases without limit; take it modulo the number of addresses.
        case connect(address: Int)
        /// Open a channel in place of the closed one.
        case openChannel
        case publish(Slice)
        /// Publish a batch without scans: `limit` is 0, `first` is the next unsent seq.
        case heartbeat(Slice)
        /// Close the connection: it makes no progress.
        case abandonConnection
        /// Wait at most this time for an event.
        case wait(ms: Int64)
    }
}
