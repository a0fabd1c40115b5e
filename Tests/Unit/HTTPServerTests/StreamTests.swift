import HTTPServer
import LinuxSystem
import Synchronization
import TestSupport
import Testing

/// Endless responses of one hub, to many clients.
@Suite(.serialized) struct StreamTests {
    init() { ProcessLimits.raiseOpenFiles(to: 16_384) }

    private func listen(
        _ hub: HTTPStreamHub, _ limits: HTTPListener.Limits = HTTPListener.Limits(),
        permits: (@Sendable () -> Bool)? = nil
    ) throws -> HTTPListener {
        try HTTPListener(#require(HTTPAddress("127.0.0.1:0")), limits: limits) {
            guard $0.path == "/live" else { return .text("here\n") }
            var response = HTTPResponse(contentType: "text/event-stream", body: .stream(hub))
            response.permits = permits
            return response
        }
    }

    private func serve(
        _ hub: HTTPStreamHub, _ limits: HTTPListener.Limits = HTTPListener.Limits(),
        _ body: (HTTPListener) throws -> Void
    ) throws {
        let server = try listen(hub, limits)
        defer { server.stop(graceMs: 0) }
        try body(server)
    }

    private func wait(_ what: String, _ client: StreamClient, _ isTrue: (StreamClient) -> Bool) throws {
        try eventually(what, everyMs: 2) {
            client.read()
            return isTrue(client)
        }
    }

    @Test func newestFrameIsSentFirstThenEachNewOne() throws {
        let hub = HTTPStreamHub()
        hub.publish(StreamClient.frame(1))
        hub.publish(StreamClient.frame(2))
        try serve(hub) { server in
            let client = try StreamClient(server.port)
            try wait("the newest frame", client) { $0.numbers == [2] }
            #expect(client.status == 200 && client.head.contains("content-type: text/event-stream"))
            // Larger than the memory of a connection.
            hub.publish(StreamClient.frame(3, size: 100_000))
            try wait("a new frame", client) { $0.numbers == [2, 3] }
            #expect(hub.readers == 1 && hub.skipped == 0 && !client.isOver)
        }
    }

    @Test func firstFrameReachesAStreamThatWaitsForIt() throws {
        let hub = HTTPStreamHub()
        try serve(hub) { server in
            let client = try StreamClient(server.port)
            try wait("the headers", client) { $0.status == 200 }
            hub.publish(StreamClient.frame(1))
            try wait("the first frame", client) { $0.numbers == [1] }
        }
    }

    @Test func fiveHundredStreamsReceiveTheNewestFrame() throws {
        let hub = HTTPStreamHub()
        try serve(hub) { server in
            let crowd = try (0..<500).map { _ in try StreamClient(server.port) }
            try eventually("all read") { hub.readers == 500 }
            for number in 1...5 {
                hub.publish(StreamClient.frame(number, size: 2_000))
                try eventually("all have frame \(number)", everyMs: 2) {
                    for client in crowd { client.read() }
                    return crowd.allSatisfy { $0.numbers.last == number }
                }
            }
            #expect(crowd.allSatisfy { $0.numbers == [1, 2, 3, 4, 5] })
            #expect(try RawHTTP(port: server.port).get("/").status == 200)
        }
    }

    @Test func slowReaderSkipsFramesAndGetsTheNewest() throws {
        let hub = HTTPStreamHub()
        try serve(hub) { server in
            let slow = try StreamClient(server.port, receiveBytes: 4_096)
            let quick = try StreamClient(server.port)
            try eventually("both read") { hub.readers == 2 }
            for number in 1...300 {
                hub.publish(StreamClient.frame(number))
                try wait("frame \(number)", quick) { $0.numbers.last == number }
            }
            #expect(quick.numbers == Array(1...300))
            try wait("the newest frame", slow) { $0.numbers.last == 300 }
            #expect(slow.numbers.count < 50 && slow.numbers == slow.numbers.sorted())
            #expect(hub.skipped == 300 - slow.numbers.count)
        }
    }

    @Test func streamBeyondTheLimitReceives503() throws {
        let hub = HTTPStreamHub(limit: 2)
        try serve(hub) { server in
            var kept = try (0..<2).map { _ in try StreamClient(server.port) }
            try eventually("two read") { hub.readers == 2 }
            let refused = try RawHTTP(port: server.port).get("/live")
            #expect(refused.status == 503 && refused.headers["retry-after"] == "5")
            kept.removeLast()
            // A client that has left is noticed at the next frame.
            try eventually("a place is free", everyMs: 5) {
                hub.publish(StreamClient.frame(1))
                return hub.readers == 1
            }
            try wait("a stream again", StreamClient(server.port)) { $0.numbers == [1] }
            withExtendedLifetime(kept) {}
        }
    }

    @Test func closedHubEndsItsStreamsAndAcceptsNone() throws {
        let hub = HTTPStreamHub()
        try serve(hub) { server in
            let client = try StreamClient(server.port)
            try eventually("it reads") { hub.readers == 1 }
            hub.close()
            try wait("the end", client) { $0.isOver }
            #expect(client.isComplete && hub.readers == 0)
            #expect(try RawHTTP(port: server.port).get("/live").status == 503)
            #expect(try RawHTTP(port: server.port).get("/").status == 200)
        }
    }

    @Test func streamEndsOnceItIsNoLongerPermitted() throws {
        let (hub, isPermitted) = (HTTPStreamHub(), Permission())
        let server = try listen(hub, permits: { isPermitted.value.load(ordering: .relaxed) })
        defer { server.stop(graceMs: 0) }
        let client = try StreamClient(server.port)
        try eventually("it reads") { hub.readers == 1 }
        server.closeStalled()
        hub.publish(StreamClient.frame(1))
        try wait("a frame", client) { $0.numbers == [1] }
        isPermitted.value.store(false, ordering: .relaxed)
        server.closeStalled()
        try wait("the end", client) { $0.isComplete }
    }

    private final class Permission: Sendable {
        let value = Atomic(true)
    }

    @Test func readerWithoutProgressIsDisconnected() throws {
        var limits = HTTPListener.Limits()
        (limits.streamS, limits.responseS, limits.responseBytes) = (0, 0, .max)
        let hub = HTTPStreamHub()
        try serve(hub, limits) { server in
            let slow = try StreamClient(server.port, receiveBytes: 4_096)
            let quick = try StreamClient(server.port)
            try eventually("both read") { hub.readers == 2 }
            for number in 1...100 {
                hub.publish(StreamClient.frame(number))
                try wait("frame \(number)", quick) { $0.numbers.last == number }
            }
            // A client that has everything is not slow, also by the limit of other responses.
            try eventually("the slow one is disconnected") {
                server.closeStalled()
                return hub.readers == 1
            }
            hub.publish(StreamClient.frame(101))
            try wait("another frame", quick) { $0.numbers.last == 101 }
            withExtendedLifetime(slow) {}
        }
    }

    @Test func stopEndsSuspendedStreams() throws {
        let hub = HTTPStreamHub()
        let server = try listen(hub)
        let crowd = try (0..<200).map { _ in try StreamClient(server.port) }
        try eventually("all read") { hub.readers == 200 }
        let startMs = SystemClock.monotonicMs()
        server.stop(graceMs: 60_000)
        #expect(SystemClock.monotonicMs() - startMs < 30_000, "the server waited for the streams")
        for client in crowd { try wait("the end", client) { $0.isOver } }
        #expect(crowd.allSatisfy(\.isComplete) && hub.readers == 0)
    }

    @Test func stopWithoutGraceAtAnyMomentLeavesNoStream() throws {
        for round in 0..<30 {
            let hub = HTTPStreamHub()
            let server = try listen(hub)
            let crowd = try (0..<20).map { _ in try StreamClient(server.port) }
            if round % 3 == 0 { try eventually("all read") { hub.readers == 20 } }
            if round % 2 == 0 { hub.publish(StreamClient.frame(1)) }
            server.stop(graceMs: 0)
            for client in crowd { try wait("the end", client) { $0.isOver } }
            #expect(hub.readers == 0)
        }
    }

    @Test func oldProtocolAndHeadAreAnswered() throws {
        let hub = HTTPStreamHub()
        hub.publish(StreamClient.frame(1, size: 20))
        try serve(hub) { server in
            let old = try Visitor(server.port)
            #expect(old.ask("GET /live HTTP/1.0\r\n\r\n"))
            try eventually("a frame without chunks") {
                old.read()
                return old.status == 200 && old.received > 20
            }
            hub.close()
            try eventually("the end") {
                old.read()
                return old.isOver
            }
        }
        try serve(HTTPStreamHub()) { server in
            let head = try RawHTTP(port: server.port).send("HEAD", "/live")
            #expect(head.status == 200 && head.body.isEmpty)
            #expect(head.headers["content-type"] == "text/event-stream")
        }
    }
}
