/// What a client asked: a GET or a HEAD, for the handler both the same.
package struct HTTPRequest: Sendable {
    /// Percent-decoded, without the query.
    package let path: String
    /// By lower-case name; of a repeated header the last.
    package let headers: [String: String]

    package init(path: String, headers: [String: String] = [:]) {
        (self.path, self.headers) = (path, headers)
    }
}

/// What it gets.
package struct HTTPResponse: Sendable {
    package enum Body: Sendable {
        case bytes([UInt8])
        /// With ETag, If-None-Match, Range and If-Range, by the server (RFC 9110 sections 13 and 14).
        case file(HTTPFile)
    }

    package var status: Int
    package var contentType: String
    package var body: Body
    package var headers: [(name: String, value: String)]

    package init(
        status: Int = 200, contentType: String, body: Body, headers: [(name: String, value: String)] = []
    ) {
        (self.status, self.contentType, self.body, self.headers) = (status, contentType, body, headers)
    }

    /// A short text, by default for people.
    package static func text(
        _ text: String, status: Int = 200, contentType: String = "text/plain; charset=utf-8"
    ) -> HTTPResponse {
        HTTPResponse(status: status, contentType: contentType, body: .bytes(Array(text.utf8)))
    }
}

/// Why a server could not start.
package struct HTTPServerError: Error, CustomStringConvertible, Sendable {
    package let description: String
}
