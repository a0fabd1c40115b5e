import Glibc
import Synchronization

/// The connections of a server, by socket: how many there are, and which of them keep it waiting for a request.
final class Connections: Sendable {
    private struct State {
        /// Since when each has sent no whole request, monotonic seconds; `never` while one is being answered.
        var waitingSinceS: [Int32: Int] = [:]
        var answering = 0
    }
    private static let never = Int.max
    private let state = Mutex(State())

    func opened(_ socket: Int32) { state.withLock { $0.waitingSinceS[socket] = Connections.nowS() } }

    /// To be called before the socket is closed, or its number may be another one's by then.
    func closed(_ socket: Int32) { state.withLock { $0.waitingSinceS[socket] = nil } }

    func began(_ socket: Int32) {
        state.withLock { state in
            state.waitingSinceS[socket] = Connections.never
            state.answering += 1
        }
    }

    func ended(_ socket: Int32) {
        state.withLock { state in
            if state.waitingSinceS[socket] != nil { state.waitingSinceS[socket] = Connections.nowS() }
            state.answering -= 1
        }
    }

    var count: Int { state.withLock { $0.waitingSinceS.count } }
    var answering: Int { state.withLock { $0.answering } }

    /// Ends the connections that have sent no whole request for so long. Under the lock, so that no number changes hands.
    func shutDown(waitingForS limitS: Int) {
        let nowS = Connections.nowS()
        state.withLock { state in
            for (socket, sinceS) in state.waitingSinceS where nowS - sinceS >= limitS {
                shutdown(socket, Int32(SHUT_RDWR))
            }
        }
    }

    private static func nowS() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }
}
