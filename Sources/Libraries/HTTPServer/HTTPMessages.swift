package import ErrorModel
package import LinuxSystem

/// A GET or HEAD request, which handlers do not distinguish, or a POST request with its whole body.
package struct HTTPRequest: Sendable {
    /// Percent-decoded, without the query.
    package let path: String
    /// Percent-decoded parameters of the query by name; the last value of a repeated one, and at most 16 in all. A
    /// parameter without `=` has an empty value.
    package let query: [String: String]
    /// Header values by lower-case name; the last value of a repeated header.
    package let headers: [String: String]
    /// Body of a POST request; `nil` for GET and HEAD.
    package let body: [UInt8]?
    /// The address of the client or of its proxy; `nil` if it is not known.
    package let peer: IPAddress?

    /// Headers by which proxies name the client (RFC 7239, and usual ones), and RFC 9110 section 7.6.3.
    private static let proxyHeaders = ["forwarded", "x-forwarded-for", "x-real-ip", "via"]

    /// Creates a request.
    ///
    /// - Parameters:
    ///   - path: percent-decoded path without the query.
    ///   - query: parameters of the query by name.
    ///   - headers: header values by lower-case name.
    ///   - peer: address of the client; this machine by default.
    ///   - body: body of a POST request; `nil` for GET and HEAD.
    package init(
        path: String, query: [String: String] = [:], headers: [String: String] = [:],
        peer: IPAddress? = IPAddress("127.0.0.1"), body: [UInt8]? = nil
    ) {
        self.path = path
        self.query = query
        self.headers = headers
        self.peer = peer
        self.body = body
    }

    /// Whether a proxy has passed the request on. `peer` is then the address of the proxy.
    package var isProxied: Bool { HTTPRequest.proxyHeaders.contains { headers[$0] != nil } }

    /// Whether the client runs on this machine: its address is loopback, and no proxy has passed the request on.
    package var isLocal: Bool { peer?.isLoopback == true && !isProxied }

    /// Values of the header `Cookie` by name (RFC 6265 section 4.2), without quotes; the first value of a repeated
    /// name, which is of the most specific path.
    package var cookies: [String: String] {
        var cookies: [String: String] = [:]
        for pair in headers["cookie"]?.split(separator: ";") ?? [] {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = HTTPRequest.trimmed(parts[0])
            guard parts.count == 2, !name.isEmpty, cookies[name] == nil else { continue }
            var value = HTTPRequest.trimmed(parts[1])
            if value.utf8.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") {
                value = String(value.dropFirst().dropLast())
            }
            cookies[name] = value
        }
        return cookies
    }

    /// Removes optional white space (RFC 9110 section 5.6.3).
    static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }

    /// The token of the header `Authorization: Bearer TOKEN` (RFC 6750); `nil` without one.
    package var bearerToken: String? {
        guard let value = headers["authorization"] else { return nil }
        let parts = value.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return String(parts[1])
    }
}

/// The answer to a request.
package struct HTTPResponse: Sendable {
    /// Content of a response.
    package enum Body: Sendable {
        /// Bytes in memory.
        case bytes([UInt8])
        /// A file. The server handles ETag, If-None-Match, Range and If-Range (RFC 9110 sections 13 and 14).
        case file(HTTPFile)
        /// An endless response. The connection is closed after it.
        case stream(HTTPStreamHub)
        /// A response that another thread makes. It replaces this one as a whole.
        case later(HTTPLater)
    }

    /// HTTP status code. For a file the server may send 206, 304 or 416 instead, as the request asks.
    package var status: Int
    /// Value of the Content-Type header.
    package var contentType: String
    /// Content of the response.
    package var body: Body
    /// Further headers, in order.
    package var headers: [(name: String, value: String)]
    /// Whether the client of a stream may still read; `nil` without a condition. The server calls it every second, and
    /// ends the stream after `false`. It must not block.
    package var permits: (@Sendable () -> Bool)?

    /// Creates a response.
    ///
    /// - Parameters:
    ///   - status: HTTP status code.
    ///   - contentType: value of the Content-Type header.
    ///   - body: content of the response.
    ///   - headers: further headers, in order.
    package init(
        status: Int = 200, contentType: String, body: Body, headers: [(name: String, value: String)] = []
    ) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.headers = headers
    }

    /// A response with a short text as body.
    ///
    /// - Parameters:
    ///   - text: the body.
    ///   - status: HTTP status code.
    ///   - contentType: value of the Content-Type header.
    /// - Returns: the response.
    package static func text(
        _ text: String, status: Int = 200, contentType: String = "text/plain; charset=utf-8"
    ) -> HTTPResponse {
        HTTPResponse(status: status, contentType: contentType, body: .bytes(Array(text.utf8)))
    }
}

/// A server that cannot listen on its address.
package struct HTTPServerError: OperationError {
    /// The address and the cause.
    package let description: String
    /// Always `.failure`.
    package var category: ErrorCategory { .failure }
}
