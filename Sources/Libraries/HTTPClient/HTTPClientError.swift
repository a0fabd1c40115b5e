package import ErrorModel

/// A request without a usable response.
package struct HTTPClientError: OperationError, Equatable {
    /// Kind of failure.
    package enum Kind: Sendable, Equatable {
        /// Invalid URL: malformed, or neither http nor https.
        case address
        /// No connection, a certificate that is not accepted, or a lost connection.
        case unreachable
        /// The connection time-out, the minimum speed or the total time limit was exceeded.
        case timedOut
        /// The response has more bytes than the limit.
        case tooLarge
        /// The caller's `isStopped` returned `true`.
        case stopped
        /// The file could not be written.
        case file
    }

    /// Kind of failure.
    package let kind: Kind
    /// URL of the request.
    package let url: String
    /// The cause.
    package let detail: String
    /// Method of the request.
    package let method: String

    init(_ kind: Kind, _ url: String, _ detail: String, method: String = "GET") {
        self.kind = kind
        self.url = url
        self.detail = detail
        self.method = method
    }

    /// The request and the cause.
    package var description: String { "\(method) \(url): \(detail)" }

    /// `.configuration` for an invalid URL, `.failure` for the file and for the size limit, otherwise `.unavailable`.
    package var category: ErrorCategory {
        switch kind {
        case .address: .configuration
        case .unreachable, .timedOut, .stopped: .unavailable
        case .tooLarge, .file: .failure
        }
    }
}
