import Synchronization

/// The requests of one daemon that wait for another thread. None may be suspended when the daemon ends.
final class Suspensions: Sendable {
    private struct State {
        var laters: [ObjectIdentifier: HTTPLater] = [:]
        var streams: [ObjectIdentifier: HTTPStream] = [:]
        var acceptsStreams = true
        var acceptsLaters = true
    }

    private let state = Mutex(State())

    /// Adds a response that another thread makes. It is 503 at once if the daemon ends.
    func add(_ later: HTTPLater) {
        let isAccepted = state.withLock { state in
            if state.acceptsLaters { state.laters[ObjectIdentifier(later)] = later }
            return state.acceptsLaters
        }
        if !isAccepted { later.answer(Suspensions.ending) }
    }

    /// Adds a stream. `false`: the daemon ends its streams.
    func add(_ stream: HTTPStream) -> Bool {
        state.withLock { state in
            if state.acceptsStreams { state.streams[ObjectIdentifier(stream)] = stream }
            return state.acceptsStreams
        }
    }

    /// Removes what a completed request has waited for.
    func remove(_ exchange: Exchange) {
        state.withLock { state in
            if let later = exchange.later { state.laters[ObjectIdentifier(later)] = nil }
            if let stream = exchange.stream { state.streams[ObjectIdentifier(stream)] = nil }
        }
        exchange.stream?.leave()
    }

    /// Number of open streams.
    var streams: Int { state.withLock { $0.streams.count } }

    /// Answers the requests whose time is over, and ends the streams whose client may no longer read.
    func check(nowMs: Int64) {
        let (laters, streams) = state.withLock { (Array($0.laters.values), Array($0.streams.values)) }
        for later in laters { later.expire(nowMs: nowMs) }
        for stream in streams where !stream.isPermitted { stream.end() }
    }

    /// Ends all streams, and accepts no further one.
    func endStreams() {
        let streams = state.withLock { state in
            state.acceptsStreams = false
            return Array(state.streams.values)
        }
        for stream in streams { stream.end() }
    }

    /// Ends all streams and answers all requests. None is suspended after that.
    func end() {
        endStreams()
        let laters = state.withLock { state in
            state.acceptsLaters = false
            return Array(state.laters.values)
        }
        for later in laters { later.answer(Suspensions.ending) }
    }

    private static let ending = HTTPLater.unavailable("503: the server ends\n")
}
