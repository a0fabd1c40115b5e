import ScanModel

extension PublishWindow {
    /// What to do now. A `publish` or `heartbeat` must be answered by `published`, `unreadable` or `connectionLost` before
    /// the next call, a `connect` by `connected` or `connectFailed`, an `openChannel` by `channelOpened` or a loss.
    package mutating func next(nowMs: Int64) -> Step {
        switch link {
        case .down(let untilMs):
            return nowMs >= untilMs ? .connect(address: address) : .wait(ms: untilMs - nowMs)
        case .channelClosed:
            return nowMs >= resumeMs ? .openChannel : .wait(ms: resumeMs - nowMs)
        case .up:
            break
        }
        // An alarm lasts as long as it lasts; what is in flight makes no progress then, through no fault of the link.
        if isBlocked { return .wait(ms: 1_000) }
        if isRefusedTooLong {
            refusedLimitMs = min(limits.refusedCapMs, 2 * refusedLimitMs)
            return .giveUpConnection
        }
        var wakeMs = nowMs + 1_000
        if inFlight > 0 {
            guard nowMs - progressMs < limits.stallMs else { return .giveUpConnection }
            wakeMs = min(wakeMs, progressMs + limits.stallMs)
        }
        if nowMs < resumeMs { return .wait(ms: max(1, min(resumeMs, wakeMs) - nowMs)) }
        if hasRoom {
            if let flight = flights.first(where: { $0.tag == nil }), let slice = slice(again: flight) {
                return .publish(slice)
            }
            if flights.count < limits.windowBatches {
                let heartbeatMs = heartbeatIsDue ? nowMs : lastPublishMs + limits.heartbeatMs
                // One under way says it all.
                if limits.sendsHeartbeats, !flights.contains(where: { $0.count == 0 && !$0.isConfirmed }),
                    let slice = heartbeatSlice()
                {
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

    /// Whether another batch may be in flight. One always may, whatever its size.
    private var hasRoom: Bool {
        let window = flights.reduce(into: (count: 0, bytes: 0)) { sum, flight in
            guard flight.tag != nil, !flight.isConfirmed else { return }
            sum = (sum.count + 1, sum.bytes + flight.bytes)
        }
        return window.count == 0 || window.count < limits.windowBatches && window.bytes < limits.windowBytes
    }

    private enum Candidate {
        case ready(Slice)
        case partial(dueMs: Int64)
    }

    /// The oldest scans that were not published yet.
    private mutating func nextScans(_ nowMs: Int64) -> Candidate? {
        guard let index = sources.firstIndex(where: { unsent($0) > 0 }) else {
            partialSinceMs = nil
            return nil
        }
        let source = sources[index]
        let available = unsent(source)
        if available < Int64(batchScans), !source.isFinished {
            let sinceMs = partialSinceMs ?? nowMs
            partialSinceMs = sinceMs
            guard nowMs >= sinceMs + limits.ageMs else { return .partial(dueMs: sinceMs + limits.ageMs) }
        }
        return .ready(slice(of: index, limit: Int(min(available, Int64(batchScans)))))
    }

    private func slice(of index: Int, limit: Int) -> Slice {
        let source = sources[index]
        let first = (sent[source.log] ?? 0) + 1
        let backlog = sources[index...].reduce(0) { $0 + unsent($1) }
        return Slice(
            journal: source.journal, log: source.log, first: first, limit: limit,
            previous: first == 1 ? previous(index) : nil, backlogFromFirst: backlog, flight: nil)
    }

    private func slice(again flight: Flight) -> Slice? {
        guard let index = sources.firstIndex(where: { $0.log == flight.log }) else { return nil }
        let later = sources.reduce(0) { $0 + unsent($1) }
        let behind = flights.reduce(0) { $0 + ($1.id >= flight.id ? Int64($1.count) : 0) }
        return Slice(
            journal: sources[index].journal, log: flight.log, first: flight.first, limit: flight.count,
            previous: flight.first == 1 ? previous(index) : nil, backlogFromFirst: later + behind, flight: flight.id)
    }

    private func heartbeatSlice() -> Slice? {
        guard let index = sources.indices.last else { return nil }
        var slice = slice(of: index, limit: 0)
        // A lost tail is announced by the first scans, which come after those of the journal before: not by a heartbeat
        // that may overtake them.
        slice.previous = nil
        slice.backlogFromFirst = sources.reduce(0) { $0 + unsent($1) }
        return slice
    }

    private func previous(_ index: Int) -> (log: JournalID, lastSeq: Int64)? {
        index > 0 ? (sources[index - 1].log, sources[index - 1].lastSeq) : nil
    }
}
