import Crypto
package import EnrolmentExchange
import LinuxSystem
import Postgres
package import Runtime
import Synchronization

/// Answers `POST /enrol`: a device shows its token and gets the enrolment file, encrypted to its own key.
///
/// The HTTP server must not wait for the database. So the first request is answered with 202, and a thread asks the
/// database. The device repeats the same request until it gets the response. Neither this process nor the database can
/// read the file: it is encrypted under the secret of the token, of which they have a hash.
package final class EnrolmentDesk: Sendable {
    /// Requests that may wait. Further ones are answered with 503.
    static let waitingLimit = 256
    /// Responses that are kept for repeated requests. The oldest are dropped, and the database answers again.
    static let responseLimit = 256
    /// Time for which a response is kept, in milliseconds.
    static let keptMs: Int64 = 60_000

    /// Responses of the desk by the hash of the request. Pure.
    struct Book: Sendable {
        private var waiting: Set<[UInt8]> = []
        private var responses: [[UInt8]: (response: EnrolmentResponse, atMs: Int64)] = [:]

        /// What to do with a request.
        enum Step: Equatable, Sendable {
            case response(EnrolmentResponse)
            /// Ask the database.
            case ask
        }

        /// Takes a request.
        mutating func take(_ key: [UInt8], nowMs: Int64) -> Step {
            responses = responses.filter { nowMs - $0.value.atMs < EnrolmentDesk.keptMs }
            if let known = responses[key] { return .response(known.response) }
            if waiting.contains(key) { return .response(EnrolmentDesk.later) }
            guard waiting.count < EnrolmentDesk.waitingLimit else {
                return .response(EnrolmentResponse(503, "503: too many enrolments at once\n"))
            }
            waiting.insert(key)
            return .ask
        }

        /// Keeps the response to a request.
        mutating func settle(_ key: [UInt8], _ response: EnrolmentResponse, nowMs: Int64) {
            waiting.remove(key)
            if responses.count >= EnrolmentDesk.responseLimit,
                let oldest = responses.min(by: { $0.value.atMs < $1.value.atMs })?.key
            {
                responses[oldest] = nil
            }
            responses[key] = (response, nowMs)
        }
    }

    /// The response while the database is asked.
    static let later = EnrolmentResponse(202, "202: repeat the request\n")

    private let databaseURL: String
    private let book = Mutex(Book())
    private let requests = Mailbox<EnrolmentRequest>(capacity: EnrolmentDesk.waitingLimit)
    private let log = Log("enrolment")

    /// Creates a desk. It answers once its service runs.
    ///
    /// - Parameter databaseURL: URL of the database.
    package init(databaseURL: String) { self.databaseURL = databaseURL }

    /// Answers a request. Never blocks.
    ///
    /// - Parameter body: body of the request.
    package func respond(body: [UInt8]) -> EnrolmentResponse {
        guard let request = EnrolmentRequest(body: body) else { return EnrolmentResponse(400, "400: not a request\n") }
        let step = book.withLock { $0.take(Self.key(request), nowMs: SystemClock.monotonicMs()) }
        switch step {
        case .response(let response): return response
        case .ask:
            // There is room: the book counts the same requests.
            requests.send(request)
            return Self.later
        }
    }

    /// Returns the service that asks the database. It never throws.
    package func service() -> Service {
        .thread("enrolment") { [self] stop in
            var connection: PostgresConnection?
            while !stop.isStopped {
                _ = Poll.wait([requests.descriptor, stop.descriptor], timeoutMs: -1)
                for request in requests.drain(atMost: 1) {
                    let response: EnrolmentResponse
                    do {
                        let open = try connection ?? connect()
                        connection = open
                        response = try Self.response(request, EnrolmentStore(open))
                    } catch {
                        connection = nil
                        log.warning("enrolment not answered", [.error: "\(error)"])
                        response = EnrolmentResponse(503, "503: the database is unavailable\n")
                    }
                    settle(request, response)
                }
            }
        }
    }

    /// Returns the response of the database to a request.
    ///
    /// - Throws: `PostgresError`.
    package static func response(_ request: EnrolmentRequest, _ store: EnrolmentStore) throws -> EnrolmentResponse {
        guard let sealed = try store.redeem(request) else {
            return EnrolmentResponse(403, "403: the token is unknown, used or expired\n")
        }
        // A key that cannot be used is the fault of the device.
        guard
            let response = try? SealedMessage.seal(
                sealed, to: request.deviceKey, purpose: EnrolmentRequest.purpose)
        else { return EnrolmentResponse(400, "400: not a key\n") }
        return EnrolmentResponse(200, response)
    }

    private func settle(_ request: EnrolmentRequest, _ response: EnrolmentResponse) {
        let nowMs = SystemClock.monotonicMs()
        // A fault passes: the next request asks again after a short time.
        let atMs = response.status == 503 ? nowMs - Self.keptMs + 1_000 : nowMs
        book.withLock { $0.settle(Self.key(request), response, nowMs: atMs) }
        // A refused request is no event: anybody can send some.
        if response.status == 200 { log.info("enrolment file sent") }
    }

    private func connect() throws -> PostgresConnection {
        try PostgresConnection(
            url: databaseURL, statementTimeoutMs: 10_000, applicationName: "tapline-center enrolment")
    }

    private static func key(_ request: EnrolmentRequest) -> [UInt8] {
        SHA256.hash(request.lookup + request.deviceKey)
    }
}
