import HTTPServer
import LinuxSystem
import Synchronization
import TestSupport
import Testing

/// Responses that another thread makes.
@Suite(.serialized) struct LaterTests {
    /// The requests that wait for an answer.
    private final class Desk: Sendable {
        let waiting = Mutex<[HTTPLater]>([])

        func take() -> [HTTPLater] {
            waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
        }

        var count: Int { waiting.withLock { $0.count } }
    }

    private func listen(_ desk: Desk, timeoutMs: Int = 600_000) throws -> HTTPListener {
        try HTTPListener(#require(HTTPAddress("127.0.0.1:0")), posts: ["/form": 100]) { request in
            guard request.path != "/now" else { return .text("now\n") }
            let later = HTTPLater(timeoutMs: timeoutMs)
            if request.path == "/early" { later.answer(.text("early\n")) }
            if let body = request.body { later.answer(HTTPResponse(contentType: "text/plain", body: .bytes(body))) }
            desk.waiting.withLock { $0.append(later) }
            return HTTPResponse(contentType: "", body: .later(later))
        }
    }

    private func ask(_ server: HTTPListener, _ path: String) throws -> Visitor {
        let visitor = try Visitor(server.port)
        #expect(visitor.ask("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n"))
        return visitor
    }

    private func waitForStatus(_ status: Int, _ visitor: Visitor) throws {
        try eventually("status \(status)", everyMs: 2) {
            visitor.read()
            return visitor.status == status
        }
    }

    @Test func answersOfAnotherThreadAreSentInAnyOrder() throws {
        let desk = Desk()
        let server = try listen(desk)
        defer { server.stop(graceMs: 0) }
        let crowd = try (0..<200).map { _ in try ask(server, "/slow") }
        try eventually("all wait") { desk.count == 200 }
        // Suspended requests block no other one.
        #expect(try RawHTTP(port: server.port).get("/now").text == "now\n")
        #expect(crowd.allSatisfy { !$0.peek() })
        for later in desk.take().reversed() { later.answer(.text("late\n", status: 201)) }
        for visitor in crowd { try waitForStatus(201, visitor) }
    }

    @Test func answerBeforeTheSuspensionIsSent() throws {
        let desk = Desk()
        let server = try listen(desk)
        defer { server.stop(graceMs: 0) }
        #expect(try RawHTTP(port: server.port).get("/early").text == "early\n")
        let form = try RawHTTP(port: server.port).send("POST", "/form", ["Content-Length": "3"], body: "a=b")
        #expect(form.text == "a=b")
    }

    @Test func onlyTheFirstAnswerHasAnEffect() throws {
        let desk = Desk()
        let server = try listen(desk)
        defer { server.stop(graceMs: 0) }
        let visitor = try ask(server, "/slow")
        try eventually("it waits") { desk.count == 1 }
        let later = try #require(desk.take().first)
        later.answer(.text("one\n", status: 202))
        later.answer(.text("two\n", status: 500))
        try waitForStatus(202, visitor)
        later.answer(.text("three\n", status: 500))
        // The connection is kept.
        let before = visitor.received
        #expect(visitor.ask("GET /now HTTP/1.1\r\nHost: x\r\n\r\n"))
        try eventually("a further answer") {
            visitor.read()
            return visitor.received > before
        }
    }

    @Test func missingAnswerIs503AfterTheTimeout() throws {
        let desk = Desk()
        let server = try listen(desk, timeoutMs: 0)
        defer { server.stop(graceMs: 0) }
        let visitor = try ask(server, "/slow")
        try eventually("503 after the time-out") {
            server.closeStalled()
            visitor.read()
            return visitor.status == 503
        }
        // Too late, and without an effect.
        for later in desk.take() { later.answer(.text("late\n")) }
        #expect(try RawHTTP(port: server.port).get("/now").status == 200)
    }

    @Test func clientThatLeftIsNoticedWithTheAnswer() throws {
        let desk = Desk()
        let server = try listen(desk)
        defer { server.stop(graceMs: 0) }
        var visitor: Visitor? = try ask(server, "/slow")
        try eventually("it waits") { desk.count == 1 && visitor != nil }
        visitor = nil
        for later in desk.take() { later.answer(.text("late\n")) }
        try eventually("the connection is closed") { server.connections == 0 }
    }

    @Test func stopAnswersSuspendedRequests() throws {
        for round in 0..<20 {
            let desk = Desk()
            let server = try listen(desk)
            let crowd = try (0..<10).map { _ in try ask(server, "/slow") }
            if round % 2 == 0 { try eventually("all wait") { desk.count == 10 } }
            server.stop(graceMs: 0)
            for visitor in crowd {
                try eventually("the end", everyMs: 2) {
                    visitor.read()
                    return visitor.isOver
                }
            }
            for later in desk.take() { later.answer(.text("late\n")) }
        }
    }
}
