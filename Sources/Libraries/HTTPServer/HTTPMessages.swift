/// What a client asked: a GET or a HEAD, for the handler both the same.
public struct HTTPRequest: Sendable {
    /// Percent-decoded, without the query.
    public let path: String
    /// By lower-case name; of a repeated header the last.
    public let headers: [String: String]

    public init(path: String, headers: [String: String] = [:]) {
        (self.path, self.headers) = (path, headers)
    }
}

/// What it gets.
public struct HTTPResponse: Sendable {
    public enum Body: Sendable {
        case bytes([UInt8])
        /// With ETag, If-None-Match, Range and If-Range, by the server (RFC 9110 sections 13 and 14).
        case file(HTTPFile)
    }

    public var status: Int
    public var contentType: String
    public var body: Body
    public var headers: [(name: String, value: String)]

    public init(
        status: Int = 200, contentType: String, body: Body, headers: [(name: String, value: String)] = []
    ) {
        (self.status, self.contentType, self.body, self.headers) = (status, contentType, body, headers)
    }

    /// A short text, by default for people.
    public static func text(
        _ text: String, status: Int = 200, contentType: String = "text/plain; charset=utf-8"
    ) -> HTTPResponse {
        HTTPResponse(status: status, contentType: contentType, body: .bytes(Array(text.utf8)))
    }
}

/// Why a server could not start.
public struct HTTPServerError: Error, CustomStringConvertible, Sendable {
    public let description: String
}
