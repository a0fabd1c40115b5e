import LinuxSystem
import Synchronization

/// What is known of the state, and who waits for it. Any thread may use it; it never blocks.
final class LiveBoard: Sendable {
    /// How long a single request counts as a viewer, in milliseconds.
    static let askedMs: Int64 = 10_000
    /// How long a request for metrics keeps the state fresh, in milliseconds: several intervals of a collector.
    static let scrapedMs: Int64 = 300_000
    /// Age from which a part is left out of frames and metrics, in milliseconds. It ages without viewers.
    static let forgottenMs: Int64 = 60_000
    /// Duration of a statement from which the database counts as unavailable, in milliseconds.
    static let hangingMs: Int64 = 3_500

    /// Age of a part, after its third interval, from which it is late, in milliseconds.
    static let lateMs: Int64 = 3_500
    /// Number of intervals after which a part is late.
    static let lateIntervals: Int64 = 3

    /// Difference of two measurements of the clock of the database from which the later one is used, in microseconds.
    static let clockStepMicros: Int64 = 50_000

    /// A part that is not computed any more, although it is wanted.
    struct Late: Equatable, Sendable {
        var part: LivePart
        /// `nil`: never computed.
        var ageS: Int64?
    }

    /// A part and when it was computed.
    struct Item: Sendable {
        var result: LiveStore.Result
        var atMs: Int64
        /// Interval to the next computation, in milliseconds.
        var intervalMs: Int64

        /// Whether a viewer may take it for the present state.
        func isFresh(nowMs: Int64) -> Bool { nowMs - atMs <= 2 * intervalMs + 1_000 }
    }

    /// What a frame shows of the database.
    struct Contents: Sendable {
        var items: [LivePart: Item] = [:]
        /// Rate of stored scans, scans a second.
        var scansS: Int64?
        var periodMs: Int64 = LivePart.counts.periodMs
        /// Since when the database does not answer, microseconds since 1970-01-01 UTC.
        var failedSinceMicros: Int64?
        /// How far the clock of the database is ahead of the clock of this machine, in microseconds, as last measured.
        var clockAheadMicros: Int64 = 0
        /// Parts that are late.
        var late: [Late] = []

        /// Returns the JSON of a part of the frame; "null" if it is not known.
        func text(_ name: String, _ part: LivePart) -> String { items[part]?.result.texts[name] ?? "null" }

        var alarms: [LiveAlarm] {
            LivePart.allCases.flatMap { part in
                (items[part]?.result.alarms ?? []).map { alarm in
                    var alarm = alarm
                    alarm.part = part
                    return alarm
                }
            }
        }

        /// Parts of which nothing is known.
        var unknown: Set<LivePart> { Set(LivePart.allCases.filter { items[$0] == nil }) }
    }

    private struct Waiting {
        var sinceMs: Int64
        var answer: @Sendable ([UInt8]?) -> Void
    }

    private struct State {
        var contents = Contents()
        var rate = LiveRate()
        var frame: [UInt8]?
        var frameMs: Int64 = 0
        var askedMs: Int64?
        var scrapedMs: Int64?
        var waiting: [Waiting] = []
        var beganMicros: Int64?
        /// When each part was last computed. It outlives the part.
        var computedMs: [LivePart: Int64] = [:]
        /// Parts whose last computation reached its time limit.
        var cancelled: Set<LivePart> = []
        /// Since when there is demand without a pause.
        var wantedSinceMs: Int64?
        var hasEnded = false
    }
    private let state = Mutex(State())

    /// Returns who wants to know the state.
    ///
    /// Without demand nothing is tried, so an earlier failure tells nothing of the database any more.
    func demand(viewers: Int, nowMs: Int64) -> LiveDemand {
        state.withLock { state in
            let demand = demand(state, viewers: viewers, nowMs: nowMs)
            if demand == .none {
                state.contents.failedSinceMicros = nil
                state.wantedSinceMs = nil
                state.cancelled = []
            } else {
                state.wantedSinceMs = state.wantedSinceMs ?? nowMs
            }
            return demand
        }
    }

    private func demand(_ state: State, viewers: Int, nowMs: Int64) -> LiveDemand {
        if viewers > 0 || !state.waiting.isEmpty { return .viewers }
        if let asked = state.askedMs, nowMs - asked < LiveBoard.askedMs { return .viewers }
        if let scraped = state.scrapedMs, nowMs - scraped < LiveBoard.scrapedMs { return .metrics }
        return .none
    }

    /// Notes a request for metrics, and returns what is known.
    func scrape(nowMs: Int64) -> Contents {
        state.withLock { $0.scrapedMs = nowMs }
        return contents(nowMs: nowMs)
    }

    /// Notes the start of a computation.
    func began(nowMicros: Int64) { state.withLock { $0.beganMicros = nowMicros } }

    /// Notes that the computation of a part was cancelled by its time limit. The database works.
    func gaveUp(_ part: LivePart) {
        state.withLock { state in
            state.beganMicros = nil
            state.cancelled.insert(part)
            state.contents.failedSinceMicros = nil
        }
    }

    /// Stores a computed part.
    ///
    /// - Parameter intervals: the present interval of each part, in milliseconds.
    func put(_ result: LiveStore.Result, _ part: LivePart, intervals: [LivePart: Int64], nowMs: Int64) {
        state.withLock { state in
            state.beganMicros = nil
            state.contents.failedSinceMicros = nil
            state.computedMs[part] = nowMs
            state.cancelled.remove(part)
            // The duration of an answer is no change of a clock: `since` would flicker.
            if let ahead = result.clockAheadMicros,
                abs(ahead - state.contents.clockAheadMicros) > LiveBoard.clockStepMicros
            {
                state.contents.clockAheadMicros = ahead
            }
            state.contents.items[part] = Item(result: result, atMs: nowMs, intervalMs: part.periodMs)
            for (other, interval) in intervals { state.contents.items[other]?.intervalMs = interval }
            state.contents.periodMs = intervals[.counts] ?? LivePart.counts.periodMs
            if let stored = result.stored { state.contents.scansS = state.rate.update(stored, nowMs: nowMs) }
        }
    }

    /// Notes that the database failed. The numbers that are present then stay; older ones do not come back.
    func failed(nowMs: Int64, nowMicros: Int64) {
        state.withLock { state in
            let since = state.beganMicros ?? nowMicros
            state.beganMicros = nil
            if state.contents.failedSinceMicros == nil { state.contents.items = present(state, nowMs: nowMs) }
            state.contents.failedSinceMicros = state.contents.failedSinceMicros ?? since
        }
    }

    /// What a frame shows now, without parts that are too old.
    func contents(nowMs: Int64) -> Contents {
        let nowMicros = SystemClock.nowMicroseconds()
        return state.withLock { state in
            var contents = state.contents
            // While the database is away, the last known numbers stay, with their time.
            if contents.failedSinceMicros == nil {
                contents.items = present(state, nowMs: nowMs)
                contents.late = late(state, nowMs: nowMs)
            }
            if let began = state.beganMicros, nowMicros - began > LiveBoard.hangingMs * 1_000 {
                contents.failedSinceMicros = contents.failedSinceMicros ?? began
            }
            return contents
        }
    }

    /// The parts that are not too old to be shown.
    private func present(_ state: State, nowMs: Int64) -> [LivePart: Item] {
        state.contents.items.filter { nowMs - $0.value.atMs < LiveBoard.forgottenMs }
    }

    /// The parts that were not computed for some intervals, although there was demand.
    private func late(_ state: State, nowMs: Int64) -> [Late] {
        guard let wantedMs = state.wantedSinceMs else { return [] }
        return LivePart.allCases.compactMap { part in
            let computedMs = state.computedMs[part]
            let interval = state.contents.items[part]?.intervalMs ?? part.periodMs
            let ageMs = nowMs - max(computedMs ?? wantedMs, wantedMs)
            guard state.cancelled.contains(part) || ageMs > LiveBoard.lateIntervals * interval + LiveBoard.lateMs else {
                return nil
            }
            return Late(part: part, ageS: computedMs.map { (nowMs - $0) / 1_000 })
        }
    }

    /// Age of each part that was ever computed, in milliseconds.
    func ages(nowMs: Int64) -> [LivePart: Int64] { state.withLock { $0.computedMs.mapValues { nowMs - $0 } } }

    /// Whether counts are computed each second, so that a frame follows each of them.
    var isCountedEachSecond: Bool {
        state.withLock { state in
            state.contents.failedSinceMicros == nil && state.contents.items[.counts] != nil
                && state.contents.periodMs <= LiveState.frameMs + LiveState.frameGraceMs / 2
        }
    }

    /// Whether each part is known and as new as its interval permits. A failed database completes nothing more.
    func isComplete(nowMs: Int64) -> Bool { state.withLock { isComplete($0, nowMs: nowMs) } }

    private func isComplete(_ state: State, nowMs: Int64) -> Bool {
        if state.contents.failedSinceMicros != nil { return true }
        return LivePart.allCases.allSatisfy { state.contents.items[$0]?.isFresh(nowMs: nowMs) == true }
    }

    // MARK: Requests

    /// The newest frame if it is complete. Notes the request.
    func newest(nowMs: Int64) -> [UInt8]? {
        state.withLock { state in
            state.askedMs = nowMs
            guard isComplete(state, nowMs: nowMs), nowMs - state.frameMs <= 2 * LiveState.frameMs else { return nil }
            return state.frame
        }
    }

    /// The list of scanners. Notes the request.
    func fleetList(nowMs: Int64) -> [UInt8]? {
        let fleet = state.withLock { state in
            state.askedMs = nowMs
            return state.contents.items[.fleet]?.result.fleet
        }
        return fleet.map { Array($0.listJSON.utf8) }
    }

    /// Queues a request for the next complete frame.
    ///
    /// - Returns: `false` if too many wait, or the service has ended.
    func wait(_ answer: @escaping @Sendable ([UInt8]?) -> Void, nowMs: Int64) -> Bool {
        state.withLock { state in
            guard !state.hasEnded, state.waiting.count < LiveState.waitingLimit else { return false }
            state.waiting.append(Waiting(sinceMs: nowMs, answer: answer))
            return true
        }
    }

    /// Whether a request waits for a complete frame.
    var isAwaited: Bool { state.withLock { !$0.waiting.isEmpty } }

    /// Stores a frame, and returns the requests that it answers.
    func publish(_ frame: [UInt8], nowMs: Int64) -> [(@Sendable ([UInt8]?) -> Void, [UInt8])] {
        state.withLock { state in
            state.frame = frame
            state.frameMs = nowMs
            let isComplete = isComplete(state, nowMs: nowMs)
            let answered = state.waiting.filter { isComplete || nowMs - $0.sinceMs >= LiveState.waitMs }
            state.waiting.removeAll { isComplete || nowMs - $0.sinceMs >= LiveState.waitMs }
            return answered.map { ($0.answer, frame) }
        }
    }

    /// Ends all requests that wait.
    func end() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            state.hasEnded = true
            return state.waiting
        }
        for one in waiting { one.answer(nil) }
    }
}
