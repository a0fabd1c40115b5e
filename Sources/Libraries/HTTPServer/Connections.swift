import Glibc
import LinuxSystem
import Synchronization

/// The open connections of a server by socket, and which of them are stalled.
final class Connections: Sendable {
    private enum Activity {
        /// No complete request since this time, in monotonic seconds.
        case awaitingRequest(sinceS: Int)
        case responding(ResponsePace)
        /// Receives a stream, at any speed above zero.
        case streaming(ResponsePace)
    }
    private struct State {
        var activities: [Int32: Activity] = [:]
        var responding = 0
        /// The network of each connection whose address has a limit.
        var networks: [Int32: IPAddress] = [:]
        /// Number of connections of each of these networks.
        var counts: [IPAddress: Int] = [:]
    }
    private let state = Mutex(State())
    private let limits: HTTPListener.Limits

    init(_ limits: HTTPListener.Limits) { self.limits = limits }

    /// Returns whether the address of a new connection is below its limit.
    func accepts(_ peer: IPAddress) -> Bool {
        limits.isUnlimited(peer)
            || state.withLock { $0.counts[peer.network, default: 0] < limits.connectionsPerAddress }
    }

    func opened(_ socket: Int32, from peer: IPAddress?) {
        let network = peer.flatMap { limits.isUnlimited($0) ? nil : $0.network }
        state.withLock { state in
            state.activities[socket] = .awaitingRequest(sinceS: Connections.nowS())
            state.networks[socket] = network
            if let network { state.counts[network, default: 0] += 1 }
        }
    }

    /// Call it before the socket is closed, because its number can be reused after that.
    func closed(_ socket: Int32) {
        state.withLock { state in
            state.activities[socket] = nil
            guard let network = state.networks.removeValue(forKey: socket), let count = state.counts[network] else {
                return
            }
            state.counts[network] = count > 1 ? count - 1 : nil
        }
    }

    /// Returns whether more than half of a limit is in use. The limits are those of the server and of the address.
    func isCrowded(_ socket: Int32) -> Bool {
        state.withLock { state in
            state.activities.count > limits.connections / 2
                || state.networks[socket].map { state.counts[$0, default: 0] > limits.connectionsPerAddress / 2 }
                    ?? false
        }
    }

    func began(_ socket: Int32) {
        let pace = ResponsePace(bytes: Connections.acknowledgedBytes(socket) ?? 0, nowS: Connections.nowS())
        state.withLock { state in
            state.activities[socket] = .responding(pace)
            state.responding += 1
        }
    }

    /// The response that began is a stream, which does not end by itself.
    func streams(_ socket: Int32) {
        let pace = ResponsePace(bytes: Connections.acknowledgedBytes(socket) ?? 0, nowS: Connections.nowS())
        state.withLock { state in
            state.activities[socket] = .streaming(pace)
            state.responding -= 1
        }
    }

    func ended(_ socket: Int32) {
        state.withLock { state in
            var isStream = false
            if case .streaming = state.activities[socket] { isStream = true }
            if state.activities[socket] != nil {
                state.activities[socket] = .awaitingRequest(sinceS: Connections.nowS())
            }
            if !isStream { state.responding -= 1 }
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
                case .streaming(var pace):
                    guard let bytes = Connections.acknowledgedBytes(socket) else { continue }
                    // A client that has everything is not slow.
                    isStalled = pace.isTooSlow(
                        bytes: bytes, nowS: nowS, least: Connections.isWaiting(socket) ? 1 : 0, limitS: limits.streamS)
                    state.activities[socket] = .streaming(pace)
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

    /// Returns whether the kernel holds bytes that the peer has not acknowledged.
    private static func isWaiting(_ socket: Int32) -> Bool {
        var count: Int32 = 0
        return ioctl(socket, UInt(TIOCOUTQ), &count) == 0 && count > 0
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
