import Glibc
import LinuxSystem
import Synchronization

/// The open connections of a server by socket, and which of them are stalled.
final class Connections: Sendable {
    private enum Activity {
        /// No complete request since this time, in monotonic seconds.
        case awaitingRequest(sinceS: Int)
        case responding(ResponsePace)
    }
    private struct State {
        var activities: [Int32: Activity] = [:]
        var responding = 0
    }
    private let state = Mutex(State())

    func opened(_ socket: Int32) {
        state.withLock { $0.activities[socket] = .awaitingRequest(sinceS: Connections.nowS()) }
    }

    /// Call it before the socket is closed, because its number can be reused after that.
    func closed(_ socket: Int32) { state.withLock { $0.activities[socket] = nil } }

    func began(_ socket: Int32) {
        let pace = ResponsePace(bytes: Connections.acknowledgedBytes(socket) ?? 0, nowS: Connections.nowS())
        state.withLock { state in
            state.activities[socket] = .responding(pace)
            state.responding += 1
        }
    }

    func ended(_ socket: Int32) {
        state.withLock { state in
            if state.activities[socket] != nil {
                state.activities[socket] = .awaitingRequest(sinceS: Connections.nowS())
            }
            state.responding -= 1
        }
    }

    var count: Int { state.withLock { $0.activities.count } }
    var responding: Int { state.withLock { $0.responding } }

    /// Shuts down the connections without a complete request for too long and those that receive their response too
    /// slowly. Runs under the lock, so that no socket number is reused in between.
    func shutDownStalled(_ limits: HTTPListener.Limits) {
        let nowS = Connections.nowS()
        state.withLock { state in
            for (socket, activity) in state.activities {
                let isStalled: Bool
                switch activity {
                case .awaitingRequest(let sinceS): isStalled = nowS - sinceS >= limits.requestS
                case .responding(var pace):
                    guard let bytes = Connections.acknowledgedBytes(socket) else { continue }
                    isStalled = pace.isTooSlow(
                        bytes: bytes, nowS: nowS, least: limits.responseBytes, limitS: limits.responseS)
                    state.activities[socket] = .responding(pace)
                }
                if isStalled { shutdown(socket, Int32(SHUT_RDWR)) }
            }
        }
    }

    /// Bytes that the peer has acknowledged since the connection began; `nil` if the kernel does not report them.
    private static func acknowledgedBytes(_ socket: Int32) -> Int64? {
        // glibc's `tcp_info` lacks `tcpi_bytes_acked`, the 16th word of eight bytes since Linux 4.1.
        var words = [Int64](repeating: 0, count: 16)
        let size = words.count * MemoryLayout<Int64>.size
        var length = socklen_t(size)
        guard getsockopt(socket, Int32(IPPROTO_TCP), TCP_INFO, &words, &length) == 0, Int(length) == size else {
            return nil
        }
        return words[15]
    }

    private static func nowS() -> Int { Int(SystemClock.monotonicMs() / 1_000) }
}

/// Speed at which a client receives a response, measured by the bytes that its host has acknowledged. Bytes that the
/// program has written may still be in a buffer.
struct ResponsePace {
    private var bytes: Int64
    private var sinceS: Int

    /// - Parameters:
    ///   - bytes: bytes acknowledged on the connection so far, earlier responses included.
    ///   - nowS: monotonic clock, in seconds.
    init(bytes: Int64, nowS: Int) {
        self.bytes = bytes
        sinceS = nowS
    }

    /// Returns whether fewer than `least` bytes were acknowledged for at least `limitS` seconds. Call it regularly.
    mutating func isTooSlow(bytes: Int64, nowS: Int, least: Int64, limitS: Int) -> Bool {
        guard bytes - self.bytes < least else {
            (self.bytes, sinceS) = (bytes, nowS)
            return false
        }
        return nowS - sinceS >= limitS
    }
}
