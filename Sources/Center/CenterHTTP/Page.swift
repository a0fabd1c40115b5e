import Crypto
import HTTPServer

/// A page, a style sheet or a script of the wall. It holds no data.
package struct Page: Sendable {
    /// Sent with each page. All content is of this server, and no other page may embed it.
    private static let securityHeaders: [(name: String, value: String)] = [
        (
            "Content-Security-Policy",
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ), ("Referrer-Policy", "same-origin"),
    ]

    private let contentType: String
    private let bytes: [UInt8]
    private let etag: String

    /// - Parameters:
    ///   - contentType: value of the Content-Type header.
    ///   - bytes: the content.
    package init(contentType: String, bytes: [UInt8]) {
        self.contentType = contentType
        self.bytes = bytes
        etag = "\"\(Hex.encode(SHA256.hash(bytes)))\""
    }

    /// Whether a browser shows it by itself.
    var isDocument: Bool { contentType.hasPrefix("text/html") }

    /// Returns the response to a request: 304 if the client has the page.
    func response(to request: HTTPRequest) -> HTTPResponse {
        let known = request.headers["if-none-match"].map { ["if-none-match": $0] } ?? [:]
        let isKnown = Selection(etag: etag, size: Int64(bytes.count), headers: known) == .notModified
        // `no-cache`: a page of another release must not meet old scripts.
        return HTTPResponse(
            status: isKnown ? 304 : 200, contentType: contentType, body: .bytes(isKnown ? [] : bytes),
            headers: Page.securityHeaders + [("ETag", etag), ("Cache-Control", "no-cache")])
    }
}
