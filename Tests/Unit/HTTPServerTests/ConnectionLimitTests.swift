import FileSystem
import Glibc
import HTTPServer
import LinuxSystem
import Runtime
import TestSupport
import Testing

@testable import CenterHTTP

/// Many simultaneous clients, and clients that hold connections without using them.
@Suite(.serialized) struct ConnectionLimitTests {
    private let folder = TemporaryFolder("crowd")

    init() { ProcessLimits.raiseOpenFiles(to: 16_384) }

    private func serve(
        _ limits: HTTPListener.Limits = HTTPListener.Limits(), _ body: (HTTPListener) throws -> Void
    ) throws {
        let web = CenterEndpoints(metrics: Metrics(), snapshots: folder.path) { [] }
        let server = try HTTPListener(#require(HTTPAddress("127.0.0.1:0")), limits: limits) { web.respond(to: $0) }
        defer { server.stop(graceMs: 0) }
        try body(server)
    }

    private func publish(bytes count: Int) throws -> String {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try Files.writeAtomically(bytes, to: folder.file("snapshot-7.sqlite"))
        return "/snapshot/snapshot-7.sqlite"
    }

    @Test func thousandScannersAreServedConcurrently() throws {
        let path = try publish(bytes: 200_000)
        try serve { server in
            let crowd = try (0..<1_000).map { _ in try Visitor(server.port) }
            #expect(crowd.allSatisfy { $0.ask("GET \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") })
            let deadline = SystemClock.monotonicMs() + Int64(waitLimitMs)
            while crowd.contains(where: { !$0.isOver }), SystemClock.monotonicMs() < deadline {
                for visitor in crowd where !visitor.isOver { visitor.read() }
            }
            #expect(crowd.allSatisfy { $0.isOver && $0.status == 200 })
            #expect(Set(crowd.map(\.received)).count == 1 && crowd[0].received > 200_000)
        }
    }

    @Test func slowAndSilentClientsDoNotBlockOthers() throws {
        let path = try publish(bytes: 4 << 20)
        try serve { server in
            // These clients read nothing.
            let slow = try (0..<300).map { _ in try Visitor(server.port) }
            #expect(slow.allSatisfy { $0.ask("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n") })
            let mute = try (0..<300).map { _ in try Visitor(server.port) }
            #expect(mute.allSatisfy { $0.ask("GET \(path) HT") })
            try eventually("all have a place") { server.connections == 600 }
            for _ in 0..<20 { #expect(try RawHTTP(port: server.port).get("/healthz").status == 200) }
            withExtendedLifetime((slow, mute)) {}
        }
    }

    @Test func incompleteRequestTimesOut() throws {
        let path = try publish(bytes: 4 << 20)
        var limits = HTTPListener.Limits()
        limits.requestS = 0
        try serve(limits) { server in
            let (mute, slow) = (try Visitor(server.port), try Visitor(server.port))
            #expect(mute.ask("GET \(path) HT") && slow.ask("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n"))
            try eventually("the slow one is being answered") { slow.peek() && server.connections == 2 }
            server.closeStalled()
            try eventually("the mute one is gone") {
                mute.read()
                return mute.isOver
            }
            #expect(mute.received == 0)
            // The other client has sent its request and receives the response at its speed.
            try eventually("all of it", everyMs: 1) {
                slow.read()
                return slow.received > 4 << 20
            }
        }
    }

    @Test func slowReaderIsDisconnected() throws {
        let path = try publish(bytes: 8 << 20)
        var limits = HTTPListener.Limits()
        (limits.responseS, limits.responseBytes) = (0, .max)
        try serve(limits) { server in
            let (slow, idle) = (try Visitor(server.port), try Visitor(server.port))
            #expect(slow.ask("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n"))
            try eventually("it is being answered") { slow.peek() && server.connections == 2 }
            server.closeStalled()
            // Nothing is read before, because the buffers could then hold the whole response.
            try eventually("the slow client is disconnected") { server.connections == 1 }
            try eventually("the client reads the end of the connection") {
                slow.read()
                return slow.isOver
            }
            #expect(slow.status == 200 && slow.received < 8 << 20)
            #expect(idle.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
            try eventually("the other has its place") {
                idle.read()
                return idle.status == 200
            }
        }
    }

    @Test func clientBeyondTheLimitReceives503() throws {
        var limits = HTTPListener.Limits()
        limits.connections = 4
        try serve(limits) { server in
            var kept: [Visitor] = []
            for number in 1...4 {
                kept.append(try Visitor(server.port))
                try eventually("a place") { server.connections == number }
            }
            let refused = try RawHTTP(port: server.port).get("/healthz")
            #expect(refused.status == 503 && refused.headers["retry-after"] == "5")
            kept.removeAll()
            try eventually("places are free again") { server.connections == 0 }
            #expect(try RawHTTP(port: server.port).get("/healthz").status == 200)
        }
    }

    @Test func addressBeyondItsLimitIsDisconnected() throws {
        var limits = HTTPListener.Limits()
        limits.connectionsPerAddress = 3
        limits.isUnlimited = { _ in false }
        try serve(limits) { server in
            var kept = try (1...3).map { _ in try Visitor(server.port) }
            try eventually("three places") { server.connections == 3 }
            let refused = try Visitor(server.port)
            try eventually("the fourth is disconnected") {
                refused.read()
                return refused.isOver
            }
            #expect(refused.received == 0 && server.connections == 3)
            kept.removeLast()
            try eventually("a place is free") { server.connections == 2 }
            #expect(try RawHTTP(port: server.port).get("/healthz").status == 200)
            // Two of three: further responses end their connection, so that clients behind one address take turns.
            let third = try Visitor(server.port)
            #expect(third.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
            try eventually("an answer and the end") {
                third.read()
                return third.status == 200 && third.isOver
            }
            withExtendedLifetime(kept) {}
        }
    }

    @Test func loopbackAddressIsNotLimited() throws {
        var limits = HTTPListener.Limits()
        limits.connectionsPerAddress = 1
        try serve(limits) { server in
            let crowd = try (1...20).map { _ in try Visitor(server.port) }
            try eventually("all have a place") { server.connections == 20 }
            withExtendedLifetime(crowd) {}
        }
    }

    @Test func keepAliveIsDisabledAboveHalfTheLimit() throws {
        var limits = HTTPListener.Limits()
        limits.connections = 4
        try serve(limits) { server in
            let first = try Visitor(server.port)
            #expect(first.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
            try eventually("an answer") {
                first.read()
                return first.status == 200
            }
            #expect(!first.isOver)
            let others = try (0..<2).map { _ in try Visitor(server.port) }
            try eventually("three are here") { server.connections == 3 }
            #expect(first.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
            try eventually("the slow client is disconnected") {
                first.read()
                return first.isOver
            }
            withExtendedLifetime(others) {}
        }
    }
}

/// One connection, controlled step by step.
final class Visitor {
    private let socket: ClientSocket
    private(set) var received = 0
    private(set) var status = 0
    var isOver: Bool { socket.isOver }

    init(_ port: UInt16) throws { socket = try ClientSocket(port) }

    func ask(_ text: String) -> Bool { socket.send(text) }

    /// Returns whether bytes have arrived, without reading them.
    func peek() -> Bool { socket.peek() }

    /// Reads the bytes that have arrived.
    func read() {
        socket.read { bytes in
            // "HTTP/1.1 200 OK"
            if received == 0 { status = Int(String(decoding: bytes.dropFirst(9).prefix(3), as: UTF8.self)) ?? 0 }
            received += bytes.count
        }
    }
}
