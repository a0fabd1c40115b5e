import Glibc
import LinuxSystem
import Runtime
import Synchronization

/// A faulty network between a client and a server on loopback: slow, cut, silent or resetting. Runs on one thread. The
/// faults can be changed at any time.
package final class FaultProxy: Sendable {
    /// The faults of the link, for all connections together.
    package struct Link: Sendable {
        /// Rate in each direction; `nil` for no limit.
        package var bytesPerSecond: Int?
        /// Interval at which all connections are cut; `nil` for never.
        package var cutEveryMs: Int?
        /// Number of bytes to the client after which a connection is cut; `nil` for no limit.
        package var cutAfterBytes: Int?
        /// Whether a cut is a reset instead of an orderly end.
        package var resets = false
        /// Whether connections are accepted and kept, but no byte is forwarded.
        package var isSilent = false
        /// Whether new connections are closed immediately.
        package var refuses = false

        package init() {}
    }

    /// The port for clients.
    package let port: UInt16
    private let target: UInt16
    private let listener: Int32
    private let stop = StopSignal()
    private let ended = StopSignal()
    private struct State {
        var link = Link()
        var cutNow = false
        var connections = 0
        var cuts = 0
    }
    private let state = Mutex(State())

    /// - Parameter target: the port of the server on 127.0.0.1.
    package init(target: UInt16, _ link: Link = Link()) throws {
        self.target = target
        (listener, port) = try FaultProxy.listen()
        state.withLock { $0.link = link }
        // The thread retains the object until `end`.
        NamedThread("fault-proxy") { self.run() }
    }

    /// Closes all connections and ends the thread. Must be called once, because the thread retains the object.
    package func end() {
        stop.stop()
        while !ended.wait(ms: 1_000) {}
    }

    package func set(_ change: (inout Link) -> Void) { state.withLock { change(&$0.link) } }
    /// Closes all connections.
    package func cut() { state.withLock { $0.cutNow = true } }
    /// Number of accepted connections.
    package var connections: Int { state.withLock { $0.connections } }
    /// Number of cuts while a connection existed.
    package var cuts: Int { state.withLock { $0.cuts } }

    // MARK: The thread

    private final class Pipe {
        let from: Int32
        let to: Int32
        var waiting: [UInt8] = []
        /// Number of delivered bytes.
        var delivered = 0
        var isOver = false
        init(_ from: Int32, _ to: Int32) { (self.from, self.to) = (from, to) }
    }

    private struct Pair {
        let client: Int32
        let server: Int32
        let pipes: [Pipe]
    }

    /// Polling interval in milliseconds, and the resolution of the rate.
    private static let tickMs = 5
    /// Buffer size for each direction, in bytes. Further bytes stay with the sender, as on a real link.
    private static let bufferBytes = 2_048

    private func run() {
        var pairs: [Pair] = []
        var budgets = [0.0, 0.0]
        var lastMs = SystemClock.monotonicMs()
        var lastCutMs = lastMs
        while !stop.isStopped {
            let (link, cutNow) = state.withLock { state in
                defer { state.cutNow = false }
                return (state.link, state.cutNow)
            }
            let nowMs = SystemClock.monotonicMs()
            if cutNow || link.cutEveryMs.map({ nowMs - lastCutMs >= Int64($0) }) ?? false {
                lastCutMs = nowMs
                if !pairs.isEmpty { state.withLock { $0.cuts += 1 } }
                for pair in pairs { FaultProxy.close(pair, reset: link.resets) }
                pairs = []
            }
            accept(link, &pairs)
            for direction in 0...1 {
                // At most one tick's budget can be saved.
                let rate = link.bytesPerSecond.map(Double.init) ?? 1e12
                let earned = rate * Double(nowMs - lastMs) / 1_000
                budgets[direction] = min(budgets[direction] + earned, max(rate / 20, 1))
            }
            lastMs = nowMs
            var moved = false
            if !link.isSilent {
                for pair in pairs {
                    for direction in 0...1
                    where FaultProxy.move(pair.pipes[direction], &budgets[direction], direction == 1 ? link : nil) {
                        moved = true
                    }
                }
            }
            if let limit = link.cutAfterBytes {
                let worn = pairs.filter { $0.pipes[1].delivered >= limit }
                for pair in worn {
                    FaultProxy.close(pair, reset: link.resets)
                    pairs.removeAll { $0.client == pair.client }
                }
                state.withLock { $0.cuts += worn.count }
            }
            pairs.removeAll { pair in
                guard pair.pipes.contains(where: { $0.isOver }) else { return false }
                FaultProxy.close(pair, reset: false)
                return true
            }
            if !moved { stop.wait(ms: FaultProxy.tickMs) }
        }
        for pair in pairs { FaultProxy.close(pair, reset: false) }
        Glibc.close(listener)
        ended.stop()
    }

    private func accept(_ link: Link, _ pairs: inout [Pair]) {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0 else { return }
            _ = fcntl(client, F_SETFL, O_NONBLOCK)
            _ = fcntl(client, F_SETFD, FD_CLOEXEC)
            state.withLock { $0.connections += 1 }
            guard !link.refuses, let server = FaultProxy.connect(target) else {
                Glibc.close(client)
                continue
            }
            pairs.append(Pair(client: client, server: server, pipes: [Pipe(client, server), Pipe(server, client)]))
        }
    }

    /// Moves bytes within the budget, and within the link's limit of bytes if given. Returns whether bytes moved.
    private static func move(_ pipe: Pipe, _ budget: inout Double, _ link: Link?) -> Bool {
        var moved = false
        let left = (link?.cutAfterBytes ?? .max) - pipe.delivered - pipe.waiting.count
        let room = min(bufferBytes - pipe.waiting.count, Int(min(budget, Double(bufferBytes))), left)
        if room > 0, !pipe.isOver {
            var chunk = [UInt8](repeating: 0, count: room)
            let count = recv(pipe.from, &chunk, room, 0)
            if count > 0 {
                pipe.waiting += chunk[..<count]
                budget -= Double(count)
                moved = true
            } else if count == 0 || errno != EAGAIN && errno != EINTR {
                pipe.isOver = true
            }
        }
        if !pipe.waiting.isEmpty {
            let count = send(pipe.to, pipe.waiting, pipe.waiting.count, Int32(MSG_NOSIGNAL))
            if count > 0 {
                pipe.waiting.removeFirst(count)
                pipe.delivered += count
                moved = true
            } else if errno != EAGAIN && errno != EINTR {
                pipe.isOver = true
            }
        }
        return moved
    }

    private static func close(_ pair: Pair, reset: Bool) {
        for descriptor in [pair.client, pair.server] {
            if reset {
                // With a linger time of zero, close(2) sends a reset.
                var option = linger(l_onoff: 1, l_linger: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
            }
            Glibc.close(descriptor)
        }
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        return address
    }

    /// A port that was free a moment ago.
    package static func freePort() throws -> UInt16 {
        let (descriptor, port) = try listen()
        Glibc.close(descriptor)
        return port
    }

    private static func listen() throws -> (Int32, UInt16) {
        // Small, so that a slow link slows the sender down instead of filling a buffer.
        let listener = try LoopbackListener(isBlocking: false, receiveBufferBytes: 4_096)
        return (listener.descriptor, listener.port)
    }

    private static func connect(_ port: UInt16) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = address(port)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, size) == 0 }
        }
        guard connected, fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else {
            Glibc.close(descriptor)
            return nil
        }
        return descriptor
    }
}
