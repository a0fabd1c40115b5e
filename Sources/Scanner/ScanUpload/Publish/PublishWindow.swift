import Runtime
package import ScanModel

/// Decides the next action of a publisher: connect, publish, wait.
///
/// A pure state machine: events go in, `next` returns the action. It has no clock, no socket and no file. Its memory is
/// bounded by the window, whatever the backlog of the journal.
///
/// The cursor of a journal moves only over a contiguous prefix of scans whose publishes were confirmed and not
/// returned. All other scans are published again. The center stores each scan once, however often it arrives.
///
/// Times are milliseconds of a monotonic clock.
package struct PublishWindow: Sendable {
    private enum Link: Sendable, Equatable {
        case down(untilMs: Int64)
        case channelClosed
        case up
    }

    /// The limits and time-outs.
    package let limits: Limits
    /// Current maximum number of scans in a batch.
    package private(set) var batchScans: Int
    /// Whether the broker accepts no publishes at present.
    package private(set) var isBlocked = false
    /// Number of connections lost with scans unconfirmed.
    package private(set) var losses = 0
    /// Number of publishes that were rejected or returned.
    package private(set) var refusals = 0

    private var batches: UnsettledBatches
    private var link = Link.down(untilMs: 0)
    private var address = 0
    /// No publish before this time, because the broker rejected one.
    private var resumeMs: Int64 = 0
    private var progressMs: Int64 = 0
    /// Start of the period in which this connection has only rejected batches.
    private var refusedSinceMs: Int64?
    private var refusedLimitMs: Int64
    private var isRefusedTooLong = false
    private var lastPublishMs: Int64
    /// Time of the last publish of new scans.
    private var lastScansMs: Int64?
    private var heartbeatIsDue = true
    private var lastHeartbeatMs: Int64
    private var connectBackoff: Backoff
    private var resumeBackoff: Backoff
    private var random: SeededRandom

    /// - Parameters:
    ///   - cursors: The last seq of the confirmed prefix of each journal, as stored on disk.
    ///   - seed: The seed of the jitter.
    ///   - nowMs: Monotonic time in milliseconds.
    package init(_ limits: Limits = Limits(), cursors: [JournalID: Int64], seed: UInt64, nowMs: Int64) {
        precondition(limits.batchScans > 0 && limits.windowBatches > 0)
        self.limits = limits
        batches = UnsettledBatches(cursors: cursors)
        batchScans = limits.batchScans
        lastPublishMs = nowMs
        lastHeartbeatMs = nowMs
        refusedLimitMs = limits.refusedMs
        connectBackoff = Backoff(baseMs: limits.backoffBaseMs, capMs: limits.backoffCapMs)
        resumeBackoff = connectBackoff
        random = SeededRandom(seed: seed)
    }

    /// Number of known scans of this scanner that are not confirmed.
    package var backlog: Int64 { batches.backlog }

    /// Number of batches that are published and not confirmed.
    package var inFlight: Int { batches.inFlight }

    /// Number of seqs over which cursors moved because a recovered journal does not contain them.
    package var missing: Int64 { batches.missing }

    /// Returns the cursors that moved since the last call. The caller makes them durable.
    package mutating func takeAdvances() -> [JournalID: Int64] { batches.takeAdvances() }

    /// Whether `takeAdvances` would return a cursor.
    package var hasAdvances: Bool { batches.hasAdvances }
}

// MARK: - Events

extension PublishWindow {
    /// The journals of this scanner at present, in order of creation.
    package mutating func journalsChanged(_ sources: [Source]) {
        if !batches.setSources(sources) { rewind() }
    }

    /// The scans of the last `publish` could not be read, and are tried again later.
    package mutating func unreadable(nowMs: Int64) { delay(nowMs) }

    /// The scans of the last `publish` up to this seq do not exist, so the cursor moves over them.
    package mutating func missing(_ slice: Slice, upTo last: Int64) {
        precondition(slice.repeats == nil && last >= slice.first)
        batches.skipped(slice, upTo: last)
        settle()
    }

    /// The current snapshot has changed, so a heartbeat is due.
    package mutating func requestHeartbeat() { heartbeatIsDue = true }

    /// A connection with an open channel is established. The stall time starts.
    package mutating func connected(nowMs: Int64) {
        (link, isBlocked, progressMs) = (.up, false, nowMs)
        (refusedSinceMs, isRefusedTooLong) = (nil, false)
    }

    /// The attempt failed. The next address is tried after the back-off.
    package mutating func connectFailed(nowMs: Int64) {
        address += 1
        link = .down(untilMs: nowMs + Int64(connectBackoff.nextDelayMs(using: &random)))
    }

    /// The connection is lost. Publishes without a confirm count as not delivered.
    package mutating func connectionLost(nowMs: Int64) {
        if batches.hasScansInFlight {
            losses += 1
            batchScans = max(min(limits.smallestBatchScans, limits.batchScans), batchScans / 2)
        }
        rewind()
        connectFailed(nowMs: nowMs)
    }

    /// The broker closed the channel, for example because the exchange is missing. Its publishes are
    /// lost; the connection stays open.
    package mutating func channelClosed(nowMs: Int64) {
        rewind()
        refusals += 1
        link = .channelClosed
        delay(nowMs)
    }

    /// A channel replaces the closed one. The stall time starts.
    package mutating func channelOpened(nowMs: Int64) { (link, progressMs) = (.up, nowMs) }

    /// The broker accepts no publishes at present (`connection.blocked`).
    package mutating func blocked() { isBlocked = true }

    /// The broker accepts publishes again (`connection.unblocked`). The stall time starts.
    package mutating func unblocked(nowMs: Int64) { (isBlocked, progressMs) = (false, nowMs) }

    /// The peer's kernel has acknowledged bytes in flight.
    package mutating func progressed(nowMs: Int64) { progressMs = nowMs }

    /// The slice was published.
    ///
    /// - Parameters:
    ///   - slice: The slice that `next` returned.
    ///   - count: Number of its scans in the batch.
    ///   - bytes: Size of the batch.
    ///   - tag: Delivery tag of the publish.
    ///   - nowMs: Monotonic time in milliseconds.
    package mutating func published(_ slice: Slice, count: Int, bytes: Int, tag: UInt64, nowMs: Int64) {
        precondition(count <= slice.limit && (count > 0 || slice.limit == 0))
        if inFlight == 0 { progressMs = nowMs }
        lastPublishMs = nowMs
        batches.published(slice, count: count, bytes: bytes, tag: tag, nowMs: nowMs)
        guard slice.repeats == nil else { return }
        if count == 0 {
            heartbeatIsDue = false
            lastHeartbeatMs = nowMs
        } else {
            lastScansMs = nowMs
        }
    }

    /// The broker has taken responsibility for this tag, or for all tags up to it.
    package mutating func confirmed(tag: UInt64, multiple: Bool, nowMs: Int64) {
        progressMs = nowMs
        for index in batches.indices(tag: tag, multiple: multiple) {
            if batches[index].isReturned {
                reject(index, nowMs)
            } else {
                batches.confirm(at: index)
                (refusedSinceMs, refusedLimitMs, isRefusedTooLong) = (nil, limits.refusedMs, false)
                connectBackoff.reset()
                resumeBackoff.reset()
                if batches[index].count == batchScans, nowMs - batches[index].sentMs <= limits.quickMs {
                    batchScans = min(limits.batchScans, batchScans * 2)
                }
            }
        }
        settle()
    }

    /// The broker has rejected this tag, or all tags up to it. They are published again later.
    package mutating func refused(tag: UInt64, multiple: Bool, nowMs: Int64) {
        progressMs = nowMs
        let sinceMs = refusedSinceMs ?? nowMs
        (refusedSinceMs, isRefusedTooLong) = (sinceMs, nowMs - sinceMs >= refusedLimitMs)
        for index in batches.indices(tag: tag, multiple: multiple) { reject(index, nowMs) }
        settle()
    }

    /// No queue was bound for the message that begins with this seq. The confirm that follows does not count.
    package mutating func returned(_ journalID: JournalID, first: Int64, nowMs: Int64) {
        progressMs = nowMs
        batches.markReturned(journalID, first: first)
    }

    private mutating func reject(_ index: Int, _ nowMs: Int64) {
        refusals += 1
        batches.reject(at: index)
        delay(nowMs)
    }

    private mutating func delay(_ nowMs: Int64) {
        // Several failures during one pause count as one failure.
        guard resumeMs <= nowMs else { return }
        resumeMs = nowMs + Int64(resumeBackoff.nextDelayMs(using: &random))
    }

    private mutating func settle() { if batches.settle() { heartbeatIsDue = true } }

    private mutating func rewind() {
        if batches.hasHeartbeat { heartbeatIsDue = true }
        batches.rewind()
    }
}

// MARK: - Decision

extension PublishWindow {
    /// Returns the next action.
    ///
    /// The caller reports the result before the next call:
    /// - after `publish` or `heartbeat`: `published`, `unreadable`, `missing` or `connectionLost`
    /// - after `connect`: `connected` or `connectFailed`
    /// - after `openChannel`: `channelOpened` or a loss
    package mutating func next(nowMs: Int64) -> Step {
        switch link {
        case .down(let untilMs): return nowMs >= untilMs ? .connect(address: address) : .wait(ms: untilMs - nowMs)
        case .channelClosed: return nowMs >= resumeMs ? .openChannel : .wait(ms: resumeMs - nowMs)
        case .up: break
        }
        // A blocked connection makes no progress, and the link is not at fault. An alarm has no time limit.
        if isBlocked { return .wait(ms: 1_000) }
        if isRefusedTooLong {
            refusedLimitMs = min(limits.refusedCapMs, 2 * refusedLimitMs)
            return .abandonConnection
        }
        var wakeMs = nowMs + 1_000
        if inFlight > 0 {
            guard nowMs - progressMs < limits.stallMs else { return .abandonConnection }
            wakeMs = min(wakeMs, progressMs + limits.stallMs)
        }
        if nowMs < resumeMs { return .wait(ms: max(1, min(resumeMs, wakeMs) - nowMs)) }
        if batches.hasRoom(limits) {
            if let batch = batches.firstToRepeat, let slice = batches.slice(repeating: batch) { return .publish(slice) }
            if batches.count < limits.windowBatches {
                let heartbeatMs =
                    heartbeatIsDue
                    ? nowMs
                    : min(lastPublishMs + limits.heartbeatMs, lastHeartbeatMs + limits.busyHeartbeatMs)
                // One heartbeat in flight is enough.
                if limits.sendsHeartbeats, !batches.hasHeartbeat, let slice = batches.heartbeatSlice() {
                    guard nowMs < heartbeatMs else { return .heartbeat(slice) }
                    wakeMs = min(wakeMs, heartbeatMs)
                }
                switch nextScans(nowMs) {
                case .some(.ready(let slice)): return .publish(slice)
                case .some(.partial(let dueMs)): wakeMs = min(wakeMs, dueMs)
                case .none: break
                }
            }
        }
        return .wait(ms: max(1, wakeMs - nowMs))
    }

    private enum Candidate {
        case ready(Slice)
        case partial(dueMs: Int64)
    }

    /// Returns the oldest scans that were not published yet.
    private func nextScans(_ nowMs: Int64) -> Candidate? {
        guard let index = batches.firstUnsent else { return nil }
        let source = batches.sources[index]
        let available = batches.unsent(source)
        if available < Int64(batchScans), !source.isFinished {
            // A scan after a pause is published at once, so that the center knows of it soon. Those of a busy gate wait
            // for others: at most one batch that is not full in each `ageMs`.
            if let dueMs = lastScansMs.map({ $0 + limits.ageMs }), nowMs < dueMs { return .partial(dueMs: dueMs) }
        }
        return .ready(batches.slice(of: index, limit: Int(min(available, Int64(batchScans)))))
    }
}
