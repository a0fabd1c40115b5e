import Glibc
import Synchronization

/// The connections of a server, by socket: how many there are, and which of them hold a place without using it.
final class Connections: Sendable {
    private enum Activity {
        /// It has sent no whole request since then, monotonic seconds.
        case asking(sinceS: Int)
        case answered(AnswerPace)
    }
    private struct State {
        var activities: [Int32: Activity] = [:]
        var answering = 0
    }
    private let state = Mutex(State())

    func opened(_ socket: Int32) {
        state.withLock { $0.activities[socket] = .asking(sinceS: Connections.nowS()) }
    }

    /// To be called before the socket is closed, or its number may be another one's by then.
    func closed(_ socket: Int32) { state.withLock { $0.activities[socket] = nil } }

    func began(_ socket: Int32) {
        let pace = AnswerPace(bytes: Connections.acknowledgedBytes(socket) ?? 0, nowS: Connections.nowS())
        state.withLock { state in
            state.activities[socket] = .answered(pace)
            state.answering += 1
        }
    }

    func ended(_ socket: Int32) {
        state.withLock { state in
            if state.activities[socket] != nil { state.activities[socket] = .asking(sinceS: Connections.nowS()) }
            state.answering -= 1
        }
    }

    var count: Int { state.withLock { $0.activities.count } }
    var answering: Int { state.withLock { $0.answering } }

    /// Ends the connections that have sent no whole request for too long, and those that take their answer too slowly. Under
    /// the lock, so that no number changes hands.
    func shutDownStalled(_ limits: HTTPListener.Limits) {
        let nowS = Connections.nowS()
        state.withLock { state in
            for (socket, activity) in state.activities {
                let isStalled: Bool
                switch activity {
                case .asking(let sinceS): isStalled = nowS - sinceS >= limits.requestS
                case .answered(var pace):
                    guard let bytes = Connections.acknowledgedBytes(socket) else { continue }
                    isStalled = pace.isTooSlow(
                        bytes: bytes, nowS: nowS, least: limits.answerBytes, limitS: limits.answerS)
                    state.activities[socket] = .answered(pace)
                }
                if isStalled { shutdown(socket, Int32(SHUT_RDWR)) }
            }
        }
    }

    /// What the other side has acknowledged since the connection began; nil where the system does not say it.
    private static func acknowledgedBytes(_ socket: Int32) -> Int64? {
        // glibc's `tcp_info` ends before `tcpi_bytes_acked`, which Linux has since 4.1 as its 16th word of eight bytes.
        var words = [Int64](repeating: 0, count: 16)
        let size = words.count * MemoryLayout<Int64>.size
        var length = socklen_t(size)
        guard getsockopt(socket, Int32(IPPROTO_TCP), TCP_INFO, &words, &length) == 0, Int(length) == size else {
            return nil
        }
        return words[15]
    }

    private static func nowS() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }
}
