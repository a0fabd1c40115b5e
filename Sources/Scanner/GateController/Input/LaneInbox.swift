import Runtime
import ScanModel
import Synchronization

/// The events that wait for the lane, with a bounded number from each source, in the order of their arrival.
///
/// A source that floods the lane costs only its own taps. Taps and commands are dropped when too many of their source
/// wait. States of readers, turnstile and passage sensor are kept, not queued: the lane always hears what each part said
/// last, and that it was out of order in between. Passages and dropped reads are counted.
package final class LaneInbox: Sendable {
    /// Maximum number of waiting taps of one reader: more than people can cause during one slow journal write, and
    /// handled in less than a second.
    package static let tapLimit = 32
    /// Maximum number of waiting commands of operators. The control socket waits for each.
    package static let commandLimit = 16
    /// Number of waiting passages with a time of their own. Further ones have the time of the last.
    package static let passageLimit = 256
    /// Maximum number of waiting passages. More are noise of the sensor.
    package static let passageCountLimit = 4_096

    private enum Source: Hashable {
        case taps(reader: Int)
        case drops(reader: Int, DroppedRead)
        case reader(Int)
        case turnstile, sensor, passages, commands
    }

    private struct State {
        /// In the order of arrival.
        var events: [TimestampedEvent] = []
        /// Number of waiting taps and commands by source.
        var waiting: [Source: Int] = [:]
        /// Passages beyond `passageLimit`, and the time of the last one.
        var furtherPassages = 0
        var lastPassage: TimestampedEvent?
        /// Whether the excess of passages was logged since the inbox was empty.
        var hasLoggedNoise = false
    }

    private let state = Mutex(State())
    /// Readable while events wait.
    private let signal = Mailbox<Void>(capacity: 1)
    private let log = Log("lane")

    /// Creates an empty inbox.
    package init() {}

    /// For poll(2): readable when events have arrived. It may be readable once without an event.
    package var descriptor: Int32 { signal.descriptor }

    /// Number of waiting events. Passages beyond `passageLimit` count as one.
    package var count: Int { state.withLock { $0.events.count + ($0.furtherPassages > 0 ? 1 : 0) } }

    /// Adds an event. Does not wait.
    ///
    /// - Returns: `false` if it was dropped: a tap or a command of a source of which too many wait.
    @discardableResult
    package func send(_ arrival: TimestampedEvent) -> Bool {
        let isTaken = state.withLock { state in
            switch arrival.event {
            case .reader(let index, .tap):
                LaneInbox.queue(arrival, .taps(reader: index), limit: LaneInbox.tapLimit, &state)
            case .command: LaneInbox.queue(arrival, .commands, limit: LaneInbox.commandLimit, &state)
            case .passage: add(passage: arrival, &state)
            case .reader(_, .dropped), .reader(_, .lost), .reader(_, .back), .turnstile, .sensor:
                LaneInbox.keep(arrival, &state)
            }
        }
        if isTaken { signal.send(()) }
        return isTaken
    }

    /// Removes all events without waiting.
    ///
    /// - Returns: the events in the order of their arrival; may be empty.
    package func drain() -> [TimestampedEvent] {
        // Before the events are taken, so that a later one makes the descriptor readable again.
        _ = signal.drain()
        return state.withLock { state in
            defer { state = State() }
            guard state.furtherPassages > 0, let last = state.lastPassage else { return state.events }
            return state.events + Array(repeating: last, count: state.furtherPassages)
        }
    }

    private static func queue(_ arrival: TimestampedEvent, _ source: Source, limit: Int, _ state: inout State) -> Bool {
        guard state.waiting[source, default: 0] < limit else { return false }
        state.waiting[source, default: 0] += 1
        state.events.append(arrival)
        return true
    }

    private func add(passage arrival: TimestampedEvent, _ state: inout State) -> Bool {
        if LaneInbox.queue(arrival, .passages, limit: LaneInbox.passageLimit, &state) { return true }
        state.lastPassage = arrival
        if state.furtherPassages < LaneInbox.passageCountLimit - LaneInbox.passageLimit {
            state.furtherPassages += 1
        } else if !state.hasLoggedNoise {
            state.hasLoggedNoise = true
            log.error("passage sensor sends noise, passages not counted", [.count: LaneInbox.passageCountLimit])
        }
        return true
    }

    /// Adds a state of a part: of the waiting ones only the first fault and the last state stay. Adds dropped reads to
    /// those of the same kind.
    private static func keep(_ arrival: TimestampedEvent, _ state: inout State) -> Bool {
        let source = source(of: arrival.event)
        let waiting = state.events.indices.filter { self.source(of: state.events[$0].event) == source }
        if case .reader(let index, .dropped(let reason, let count)) = arrival.event {
            guard let place = waiting.first, case .reader(_, .dropped(_, let before)) = state.events[place].event else {
                state.events.append(arrival)
                return true
            }
            let sum = before.addingReportingOverflow(count)
            state.events[place].event = .reader(index, .dropped(reason, count: sum.overflow ? .max : sum.partialValue))
            return true
        }
        let fault = waiting.first { isFault(state.events[$0].event) }
        for place in waiting.reversed() where waiting.count > 1 && place != fault { state.events.remove(at: place) }
        state.events.append(arrival)
        return true
    }

    private static func source(of event: LaneEvent) -> Source {
        switch event {
        case .reader(let index, .tap): .taps(reader: index)
        case .reader(let index, .dropped(let reason, _)): .drops(reader: index, reason)
        case .reader(let index, .lost), .reader(let index, .back): .reader(index)
        case .turnstile: .turnstile
        case .sensor: .sensor
        case .passage: .passages
        case .command: .commands
        }
    }

    private static func isFault(_ event: LaneEvent) -> Bool {
        switch event {
        case .reader(_, .lost): true
        case .turnstile(let problem): problem != nil
        case .sensor(let problem): problem != nil
        case .reader(_, .tap), .reader(_, .dropped), .reader(_, .back), .passage, .command: false
        }
    }
}
