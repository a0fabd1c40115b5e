import AMQP
import Crypto
package import HTTPClient

/// Requests to the management API of RabbitMQ, as one of its users. Confined to one thread, which it blocks.
///
/// Source: https://www.rabbitmq.com/docs/management#http-api
package final class ManagementAPI {
    /// A response of any status.
    package struct Response: Sendable {
        /// The URL that was asked.
        package let url: String
        /// HTTP status code.
        package let status: Int
        /// Empty for another status than 200.
        package let body: [UInt8]
    }

    private let url: String
    private let authorization: String
    private let timeoutMs: Int
    private let responseLimitBytes: Int
    private let session: HTTPSession

    /// Creates a client. It connects at the first request.
    ///
    /// - Parameters:
    ///   - url: base URL without a slash at its end, for example `https://broker.example:15671`.
    ///   - user: name of the user.
    ///   - password: the password. It is sent with each request.
    ///   - authorityFile: path of the PEM bundle of accepted certificate authorities; `nil` for the system's.
    ///   - timeoutMs: maximum duration of a request, in milliseconds.
    ///   - responseLimitBytes: maximum size of a response, in bytes.
    package init(
        url: String, user: String, password: String, authorityFile: String? = nil, timeoutMs: Int,
        responseLimitBytes: Int
    ) {
        var settings = HTTPSession.Settings()
        settings.authorityFile = authorityFile
        session = HTTPSession(settings)
        self.url = url
        authorization = "Authorization: Basic " + Base64.encode("\(user):\(password)".utf8)
        self.timeoutMs = timeoutMs
        self.responseLimitBytes = responseLimitBytes
    }

    /// Sends a request.
    ///
    /// - Parameters:
    ///   - method: method of HTTP.
    ///   - path: parts of the path below `/api`, not encoded.
    ///   - columns: the only columns of the response; empty for all.
    ///   - body: JSON; `nil` without a body.
    /// - Throws: `HTTPClientError` without a response.
    package func send(
        _ method: HTTPSession.Method, _ path: [String], columns: [String] = [], body: [UInt8]? = nil
    ) throws(HTTPClientError) -> Response {
        let parts = ["/api"] + path.map(AMQPAddress.percentEncoded)
        let query = columns.isEmpty ? "" : "?columns=" + columns.joined(separator: ",")
        let url = self.url + parts.joined(separator: "/") + query
        let response = try session.send(
            method, url, body: body, headers: [authorization, "Content-Type: application/json"],
            limitBytes: responseLimitBytes, limitMs: timeoutMs)
        return Response(url: url, status: response.status, body: response.body)
    }

    /// Reads a resource.
    ///
    /// - Parameter path: parts of the path below `/api`, not encoded.
    /// - Throws: `HTTPClientError` without a response.
    package func get(_ path: [String]) throws -> Response { try send(.get, path) }
}
