package import HTTPServer
import LinuxSystem
import Postgres
package import Runtime
package import ScanModel

/// Answers `/api/people`, `/api/people/ID` and `/api/people/ID/refusals`: the search for people, one person's place and
/// track of the day, and why the person was refused.
///
/// The HTTP server must not wait for the database. So a thread asks it, with an own connection, and answers later.
package final class PeopleDesk: Sendable {
    /// Requests that may wait. Further ones are answered with 503.
    package static let waitingLimit = 32
    /// Limit of one statement, in milliseconds.
    static let statementLimitMs = 2_000
    /// Requests that waited longer are dropped, in milliseconds: their client has got 503 from the HTTP server.
    static let patienceMs: Int64 = 5_000

    /// A question that waits for the thread.
    private struct Waiting: Sendable {
        let question: PeopleQuestion
        let atMs: Int64
        let reply: @Sendable (HTTPResponse) -> Void
    }

    private let databaseURL: String
    private let snapshots: String?
    private let key: EventKey?
    private let requests = Mailbox<Waiting>(capacity: PeopleDesk.waitingLimit)
    private let log = Log("people")

    /// Creates a desk. It answers once its service runs.
    ///
    /// - Parameters:
    ///   - databaseURL: URL of the database.
    ///   - snapshots: folder of published snapshots, for the reasons of refusals; `nil`: the meaning of the verdicts only.
    ///   - eventKey: for searches by the text of a code or a UID; `nil`: neither is found.
    package init(databaseURL: String, snapshots: String?, eventKey: EventKey? = nil) {
        self.databaseURL = databaseURL
        self.snapshots = snapshots
        key = eventKey
    }

    /// Takes a request. Never blocks.
    ///
    /// - Parameters:
    ///   - path: the percent-decoded path.
    ///   - query: the members of the query string.
    ///   - reply: receives the response, once, on any thread.
    /// - Returns: `false` for a path that is not about people; `reply` is then not called.
    package func accept(
        _ path: String, _ query: [String: String], reply: @escaping @Sendable (HTTPResponse) -> Void
    ) -> Bool {
        guard let question = PeopleQuestion(path: path, query: query) else { return false }
        let waiting = Waiting(question: question, atMs: SystemClock.monotonicMs(), reply: reply)
        if !requests.send(waiting) { reply(Self.busy) }
        return true
    }

    /// Returns the service that asks the database. It never throws.
    package func service() -> Service {
        .thread("people") { [self] stop in
            var answers: PeopleAnswers?
            while !stop.isStopped {
                _ = Poll.wait([requests.descriptor, stop.descriptor], timeoutMs: -1)
                for waiting in requests.drain(atMost: 1)
                where SystemClock.monotonicMs() - waiting.atMs < Self.patienceMs {
                    do {
                        let open = try answers ?? connect()
                        answers = open
                        waiting.reply(try open.response(to: waiting.question))
                    } catch {
                        // A statement that took too long, or a lost connection. The next request connects again.
                        answers = nil
                        log.warning("question about people not answered", [.error: "\(error)"])
                        waiting.reply(Self.unavailable)
                    }
                }
            }
            for waiting in requests.drain() { waiting.reply(Self.unavailable) }
        }
    }

    private func connect() throws -> PeopleAnswers {
        try PeopleAnswers(
            PostgresConnection(
                url: databaseURL, statementTimeoutMs: Self.statementLimitMs, applicationName: "tapline-center people"),
            snapshots: snapshots, key: key)
    }

    private static let busy = response("503: too many questions at once\n")
    private static let unavailable = response("503: the database did not answer in time\n")

    private static func response(_ text: String) -> HTTPResponse {
        HTTPResponse(
            status: 503, contentType: "text/plain; charset=utf-8", body: .bytes(Array(text.utf8)),
            headers: [("Retry-After", "2"), ("Cache-Control", "no-store")])
    }
}
