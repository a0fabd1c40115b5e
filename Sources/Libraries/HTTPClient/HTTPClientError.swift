/// A request that gave no response worth having.
package struct HTTPClientError: Error, CustomStringConvertible, Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// The URL cannot be used: not http or https, or malformed.
        case address
        /// No connection, a certificate that is not accepted, or a connection that broke.
        case unreachable
        /// Not connected in time, or slower than the lowest speed for too long, or not done in time.
        case timedOut
        /// More bytes than the limit.
        case tooLarge
        /// The caller's `isStopped` said so.
        case stopped
        /// The file could not be written.
        case file
    }

    package let kind: Kind
    package let url: String
    package let detail: String

    init(_ kind: Kind, _ url: String, _ detail: String) {
        (self.kind, self.url, self.detail) = (kind, url, detail)
    }

    package var description: String { "GET \(url): \(detail)" }
}
