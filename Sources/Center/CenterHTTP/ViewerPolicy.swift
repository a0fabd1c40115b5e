package import HTTPServer
import LinuxSystem
package import ViewerAccess

/// Decides who may see what over HTTP: by the token of a request, or by the network of its client.
package struct ViewerPolicy: Sendable {
    /// Returns the role of a token and the rest of its validity in seconds; `nil` if it is not valid. Must not block.
    package typealias Check = @Sendable (_ token: String) -> (role: ViewerRole, seconds: Int)?

    /// Name of the cookie that holds a token.
    static let cookie = "tapline_viewer"
    /// Ends of names that only the own network can assign (RFC 6762, RFC 8375, RFC 6761, and ICANN's `internal`).
    private static let localEndings = [".local", ".home.arpa", ".localhost", ".internal"]

    private let open: OpenNetworks
    private let names: Set<String>
    let check: Check

    /// Creates a policy.
    ///
    /// - Parameters:
    ///   - open: networks whose clients see the counts without a token.
    ///   - names: names of the server by which they may do so. A number, and a name that only the own network can
    ///     assign, are always permitted. A stranger can point another name at this server. His page could then read
    ///     the counts through the browser of a viewer.
    ///   - check: checks a token.
    package init(open: OpenNetworks = .private, names: [String] = [], check: @escaping Check = { _ in nil }) {
        self.open = open
        self.names = Set(names.map { $0.lowercased() })
        self.check = check
    }

    /// Returns the role of a request; `nil` if it may see nothing. A bearer token is first, then the cookie, then the
    /// network.
    package func role(of request: HTTPRequest) -> ViewerRole? {
        token(of: request)?.role ?? (isOpen(request) ? .counts : nil)
    }

    /// Returns the valid token of a request.
    func token(of request: HTTPRequest) -> (text: String, role: ViewerRole)? {
        for text in [request.bearerToken, request.cookies[ViewerPolicy.cookie]] {
            if let text, let found = check(text) { return (text, found.role) }
        }
        return nil
    }

    /// Returns whether the network of a request is open.
    func isOpen(_ request: HTTPRequest) -> Bool {
        if open == .any { return true }
        return !request.isProxied && open.contains(request.peer) && isKnown(request.headers["host"])
    }

    /// Returns a check whether the client of a stream may still read; `nil` if it needs none. A revoked token ends the
    /// stream, unless the network is open.
    func permit(of request: HTTPRequest) -> (@Sendable () -> Bool)? {
        guard !isOpen(request), let token = token(of: request)?.text else { return nil }
        return { [check] in check(token) != nil }
    }

    /// Returns whether a stranger cannot own the name of a Host header. Browsers always send one.
    private func isKnown(_ host: String?) -> Bool {
        guard let host else { return true }
        let name = ViewerPolicy.name(ofHost: host)
        return IPAddress(name) != nil || !name.contains(".") && !name.contains(":") || names.contains(name)
            || ViewerPolicy.localEndings.contains(where: name.hasSuffix)
    }

    /// Removes the port, the brackets of IPv6 and a final dot.
    private static func name(ofHost host: String) -> String {
        var name = host.lowercased()[...]
        if name.hasPrefix("[") { return String(name.dropFirst().prefix { $0 != "]" }) }
        if let colon = name.lastIndex(of: ":") { name = name[..<colon] }
        if name.hasSuffix(".") { name = name.dropLast() }
        return String(name)
    }
}
