import CenterHTTP
import FileSystem
import Glibc
import HTTPServer
import LinuxSystem
import LiveState
import Runtime
import Synchronization
import TestSupport
import Testing

/// The live state of a center together with the streams of its viewers.
@Suite struct LiveStreamsTests {
    private static let viewers = 500
    /// Viewers that read nothing before the end.
    private static let slow = 20
    /// An hour of states. They are published in bursts, and each viewer that reads gets the last one of a burst.
    private static let (states, burst) = (3_600, 120)
    /// From here on the server has the buffers of all viewers.
    private static let warm = 600
    /// Size of a state of a large site, in bytes. If each were kept, the memory would nearly double.
    private static let size = 30_000
    private static let growth = 1.25

    /// A viewer, which discards what it reads.
    private final class Viewer {
        private let descriptor: Int32
        private(set) var received = 0

        init(_ port: UInt16) throws {
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            let code = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { [descriptor] in
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard code == 0, fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else { throw SystemError("connect") }
            let text = Array("GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
            let sent = send(descriptor, text, text.count, Int32(MSG_NOSIGNAL))
            guard sent == text.count else { throw SystemError("send") }
        }

        deinit { close(descriptor) }

        /// Discards what has arrived.
        func read() {
            while true {
                let count = recv(descriptor, nil, 1 << 20, Int32(MSG_TRUNC))
                guard count > 0 else { return }
                received += count
            }
        }

        /// Reads what has arrived, at most 64 KiB.
        func text() -> String {
            var bytes = [UInt8](repeating: 0, count: 65_536)
            let count = recv(descriptor, &bytes, bytes.count, 0)
            received += max(0, count)
            return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        }
    }

    private func residentPages() throws -> Int {
        let words = try Files.readText("/proc/self/statm").split(separator: " ")
        return try #require(words.count > 1 ? Int(words[1]) : nil)
    }

    @Test func hourOfStatesFor500StreamsKeepsTheMemory() throws {
        ProcessLimits.raiseOpenFiles(to: 16_384)
        let fixture = try IngestFixture()
        let (hub, metrics, number, newest) = (HTTPStreamHub(), Metrics(), Counter(), Newest())
        let up = LiveState.Server(isConnected: true, sinceS: 1_780_272_000, problem: nil)
        let state = LiveState(
            databaseURL: fixture.url, metrics: metrics, broker: { up }, database: { up }, isBacklog: { false },
            viewers: { hub.readers },
            publish: { frame in
                newest.frame.withLock { $0 = frame }
                number.add()
                hub.publish(LiveEndpoints.event(frame, number: number.value))
            })
        let endpoints = CenterEndpoints(
            metrics: metrics, snapshots: nil,
            live: LiveEndpoints(hub: hub, once: { state.frame($0) }, fleet: { state.fleet }), readiness: { [] })
        let server = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { endpoints.respond(to: $0) }
        defer { server.stop(graceMs: 0) }
        let startMs = SystemClock.monotonicMs()
        let running = RunningService(state.service())
        let all = try (0..<Self.viewers).map { _ in try Viewer(server.port) }
        let (slow, quick) = (all.prefix(Self.slow), all.dropFirst(Self.slow))
        try eventually("all read") { hub.readers == Self.viewers }

        // One computation a second for all of them.
        func computations() -> Int {
            let name = "tapline_live_computations_total{part=\"counts\"} "
            let line = metrics.render().split(separator: "\n").first { $0.hasPrefix(name) }
            return line.flatMap { Int($0.dropFirst(name.utf8.count)) } ?? 0
        }
        try eventually("three computations") {
            for viewer in quick { viewer.read() }
            return computations() >= 3
        }
        #expect(computations() <= 1 + Int((SystemClock.monotonicMs() - startMs) / 1_000))
        try running.end()

        // The same state again and again, as large as that of a large site.
        let frame = newest.frame.withLock(\.self)
        let large = frame + [UInt8](repeating: 32, count: max(0, Self.size - frame.count))
        var warmPages = 0
        for sent in stride(from: Self.burst, through: Self.states, by: Self.burst) {
            let before = quick.map(\.received)
            for _ in 0..<Self.burst {
                number.add()
                hub.publish(LiveEndpoints.event(large, number: number.value))
            }
            try eventually("the viewers have a state of the burst until \(sent)", everyMs: 2) {
                for viewer in quick { viewer.read() }
                return zip(quick, before).allSatisfy { $0.received - $1 > Self.size }
            }
            if sent == Self.warm { warmPages = try residentPages() }
        }
        let pages = try residentPages()
        let ratio = Double(pages) / Double(warmPages)
        print("memory after \(Self.warm) and \(Self.states) states: \(warmPages) and \(pages) pages")
        #expect(ratio < Self.growth)

        // A slow viewer has skipped most states, and gets the newest one.
        #expect(hub.readers == Self.viewers && hub.skipped > Self.slow * Self.states / 2)
        for viewer in slow {
            var text = ""
            try eventually("the newest state", everyMs: 2) {
                text = String((text + viewer.text()).suffix(Self.size + 1_000))
                return text.contains("id: \(number.value)\n")
            }
        }
        let most = try #require(slow.map(\.received).max())
        #expect(most < Self.states * Self.size / 2)
    }

    private final class Newest: Sendable {
        let frame = Mutex<[UInt8]>([])
    }
}
