package import HTTPServer

/// The states of the wall.
package struct LiveEndpoints: Sendable {
    /// Answers with the newest state as JSON; `nil` without one.
    package typealias Once = @Sendable (_ reply: @escaping @Sendable ([UInt8]?) -> Void) -> Void

    let hub: HTTPStreamHub
    let once: Once
    let fleet: @Sendable () -> [UInt8]?

    /// - Parameters:
    ///   - hub: source of the event stream of `/api/live`.
    ///   - once: answers `/api/live?once`, at any time and on any thread. It must not block.
    ///   - fleet: returns the content of `/api/fleet`; `nil` if it is not known yet. It must not block.
    package init(hub: HTTPStreamHub, once: @escaping Once, fleet: @escaping @Sendable () -> [UInt8]?) {
        self.hub = hub
        self.once = once
        self.fleet = fleet
    }

    /// Returns a state as a server-sent event. JSON has no line feed, so one line holds it.
    ///
    /// - Parameters:
    ///   - state: the state as JSON, in one line.
    ///   - number: number of the event.
    package static func event(_ state: [UInt8], number: Int) -> [UInt8] {
        Array("id: \(number)\nevent: state\ndata: ".utf8) + state + [10, 10]
    }

    /// Answers `/api/live` and `/api/fleet`; `nil` for another path. Never blocks.
    func respond(to request: HTTPRequest, permits: (@Sendable () -> Bool)?) -> HTTPResponse? {
        switch request.path {
        case "/api/fleet": return fleet().map { LiveEndpoints.json($0) } ?? LiveEndpoints.unknown
        case "/api/live":
            guard request.query["once"] == nil else {
                // Longer than a computation may take.
                let later = HTTPLater(timeoutMs: 8_000)
                once { later.answer($0.map { LiveEndpoints.json($0) } ?? LiveEndpoints.unknown) }
                return HTTPResponse(contentType: "", body: .later(later))
            }
            var response = HTTPResponse(
                contentType: "text/event-stream", body: .stream(hub),
                // The second one: nginx passes each event on at once.
                headers: [("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")])
            response.permits = permits
            return response
        default: return nil
        }
    }

    private static func json(_ bytes: [UInt8]) -> HTTPResponse {
        HTTPResponse(
            contentType: "application/json", body: .bytes(bytes),
            headers: [("Cache-Control", "no-store")])
    }

    private static var unknown: HTTPResponse {
        var response = HTTPResponse.text("503: not known yet\n", status: 503)
        response.headers = [("Retry-After", "1"), ("Cache-Control", "no-store")]
        return response
    }
}

/// The search for people.
package struct PeopleEndpoints: Sendable {
    /// Answers a request below `/api/people` later. Must not block.
    ///
    /// - Returns: `false` if there is no such path. `later` is then not answered.
    package typealias Answer =
        @Sendable (_ path: String, _ query: [String: String], _ later: HTTPLater) -> Bool

    let answer: Answer

    /// - Parameter answer: answers a request.
    package init(answer: @escaping Answer) { self.answer = answer }

    /// Answers a request; `nil` for another path. Never blocks.
    func respond(to request: HTTPRequest) -> HTTPResponse? {
        let later = HTTPLater()
        return answer(request.path, request.query, later) ? HTTPResponse(contentType: "", body: .later(later)) : nil
    }
}
