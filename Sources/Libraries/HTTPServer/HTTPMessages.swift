package import ErrorModel

/// A GET or HEAD request. Handlers do not distinguish the two methods.
package struct HTTPRequest: Sendable {
    /// Percent-decoded, without the query.
    package let path: String
    /// Header values by lower-case name; the last value of a repeated header.
    package let headers: [String: String]

    /// Creates a request.
    ///
    /// - Parameters:
    ///   - path: percent-decoded path without the query.
    ///   - headers: header values by lower-case name.
    package init(path: String, headers: [String: String] = [:]) {
        self.path = path
        self.headers = headers
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
    }

    /// HTTP status code. For a file the server may send 206, 304 or 416 instead, as the request asks.
    package var status: Int
    /// Value of the Content-Type header.
    package var contentType: String
    /// Content of the response.
    package var body: Body
    /// Further headers, in order.
    package var headers: [(name: String, value: String)]

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
