import Runtime
package import ScanModel

extension PublishWindow {
    // MARK: The journal

    /// The journals of this scanner as they are now, in order of creation.
    package mutating func journals(_ sources: [Source]) {
        self.sources = sources
        for source in sources where sent[source.log] == nil { sent[source.log] = shipped[source.log] ?? 0 }
        // A file that was replaced: what was published of the old one cannot be published again.
        if flights.contains(where: { flight in !sources.contains { $0.log == flight.log } }) { rewind() }
    }

    /// The scans of the last `publish` could not be read: later.
    package mutating func unreadable(nowMs: Int64) { delay(nowMs) }

    /// The scans of the last `publish` up to this seq do not exist, and never will: the cursor moves over them as over
    /// confirmed ones.
    package mutating func missing(_ slice: Slice, upTo last: Int64) {
        precondition(slice.flight == nil && last >= slice.first)
        flights.append(
            Flight(
                id: nextFlight, log: slice.log, first: slice.first, last: last, bytes: 0, tag: PublishWindow.noTag,
                sentMs: 0, isConfirmed: true))
        nextFlight += 1
        sent[slice.log] = last
        settle()
    }

    /// A heartbeat is to be sent: the snapshot in force has changed.
    package mutating func requestHeartbeat() { heartbeatIsDue = true }

    // MARK: The connection

    package mutating func connected(nowMs: Int64) {
        (link, isBlocked, progressMs) = (.up, false, nowMs)
        (refusedSinceMs, isRefusedTooLong) = (nil, false)
    }

    package mutating func connectFailed(nowMs: Int64) {
        address += 1
        link = .down(untilMs: nowMs + Int64(connectBackoff.nextDelayMs(using: &random)))
    }

    /// The connection is gone, and with it what is known of publishes that were not confirmed.
    package mutating func connectionLost(nowMs: Int64) {
        if flights.contains(where: { $0.tag != nil && !$0.isConfirmed && $0.count > 0 }) {
            losses += 1
            batchScans = max(min(limits.smallestBatchScans, limits.batchScans), batchScans / 2)
        }
        rewind()
        connectFailed(nowMs: nowMs)
    }

    /// The broker closed the channel (a missing exchange, for one): its publishes are void, the connection stands.
    package mutating func channelClosed(nowMs: Int64) {
        rewind()
        refusals += 1
        link = .channelClosed
        delay(nowMs)
    }

    package mutating func channelOpened(nowMs: Int64) { (link, progressMs) = (.up, nowMs) }

    package mutating func blocked() { isBlocked = true }

    package mutating func unblocked(nowMs: Int64) { (isBlocked, progressMs) = (false, nowMs) }

    /// Bytes in flight have moved.
    package mutating func progressed(nowMs: Int64) { progressMs = nowMs }

    // MARK: Publishes

    /// The slice was published: `count` scans of it, `bytes` on the wire, under this delivery tag.
    package mutating func published(_ slice: Slice, count: Int, bytes: Int, tag: UInt64, nowMs: Int64) {
        precondition(count <= slice.limit && (count > 0 || slice.limit == 0))
        if inFlight == 0 { progressMs = nowMs }
        lastPublishMs = nowMs
        let last = slice.first + Int64(count) - 1
        if let id = slice.flight {
            guard let index = flights.firstIndex(where: { $0.id == id }) else { return }
            if flights[index].last != last {
                // Cut shorter than before: what follows must be cut anew too.
                for flight in flights[(index + 1)...].reversed() { sent[flight.log] = flight.first - 1 }
                flights.removeSubrange((index + 1)...)
                flights[index].last = last
                sent[slice.log] = last
            }
            (flights[index].tag, flights[index].sentMs, flights[index].bytes) = (tag, nowMs, bytes)
            return
        }
        flights.append(
            Flight(
                id: nextFlight, log: slice.log, first: slice.first, last: last, bytes: bytes,
                tag: tag, sentMs: nowMs))
        nextFlight += 1
        if count == 0 {
            heartbeatIsDue = false
        } else {
            sent[slice.log] = last
            // Scans left over were there already, so they have waited since now at the latest.
            partialSinceMs = Int64(count) < slice.backlogFromFirst ? nowMs : nil
        }
    }

    /// The broker has taken responsibility for this tag, or for all up to it.
    package mutating func confirmed(tag: UInt64, multiple: Bool, nowMs: Int64) {
        progressMs = nowMs
        for index in indices(tag, multiple) {
            if flights[index].isReturned {
                fail(index, nowMs)
            } else {
                flights[index].isConfirmed = true
                (refusedSinceMs, refusedLimitMs, isRefusedTooLong) = (nil, limits.refusedMs, false)
                connectBackoff.reset()
                resumeBackoff.reset()
                if flights[index].count == batchScans, nowMs - flights[index].sentMs <= limits.quickMs {
                    batchScans = min(limits.batchScans, batchScans * 2)
                }
            }
        }
        settle()
    }

    /// The broker could not take it: later.
    package mutating func refused(tag: UInt64, multiple: Bool, nowMs: Int64) {
        progressMs = nowMs
        let sinceMs = refusedSinceMs ?? nowMs
        (refusedSinceMs, isRefusedTooLong) = (sinceMs, nowMs - sinceMs >= refusedLimitMs)
        for index in indices(tag, multiple) { fail(index, nowMs) }
        settle()
    }

    /// No queue wanted the message that begins with this seq. Its confirm, which follows, does not count.
    package mutating func returned(_ log: JournalID, first: Int64, nowMs: Int64) {
        progressMs = nowMs
        for index in flights.indices
        where flights[index].log == log && flights[index].first == first && flights[index].tag != nil
            && !flights[index].isConfirmed
        {
            flights[index].isReturned = true
        }
    }

    // MARK: Inside

    /// Of what is missing: the broker's begin at 1.
    private static let noTag: UInt64 = 0

    private func indices(_ tag: UInt64, _ multiple: Bool) -> [Int] {
        flights.indices.filter { index in
            guard let own = flights[index].tag, !flights[index].isConfirmed else { return false }
            return multiple ? own <= tag : own == tag
        }
    }

    private mutating func fail(_ index: Int, _ nowMs: Int64) {
        refusals += 1
        (flights[index].tag, flights[index].isReturned) = (nil, false)
        delay(nowMs)
    }

    private mutating func delay(_ nowMs: Int64) {
        // Several failures of one moment are one failure.
        guard resumeMs <= nowMs else { return }
        resumeMs = nowMs + Int64(resumeBackoff.nextDelayMs(using: &random))
    }

    /// Moves the cursors over the confirmed prefix. A heartbeat that failed is not repeated as such: a new one is due.
    private mutating func settle() {
        let before = flights.count
        flights.removeAll { $0.count == 0 && $0.tag == nil }
        if flights.count < before { heartbeatIsDue = true }
        while let flight = flights.first, flight.isConfirmed {
            flights.removeFirst()
            guard flight.count > 0 else { continue }
            if flight.tag == PublishWindow.noTag { missing += Int64(flight.count) }
            shipped[flight.log] = flight.last
            advances[flight.log] = flight.last
        }
    }

    /// Forgets the flights: publishing goes on after the confirmed prefix.
    private mutating func rewind() {
        if flights.contains(where: { $0.count == 0 && !$0.isConfirmed }) { heartbeatIsDue = true }
        for flight in flights { sent[flight.log] = shipped[flight.log] ?? 0 }
        flights = []
        partialSinceMs = nil
    }
}
