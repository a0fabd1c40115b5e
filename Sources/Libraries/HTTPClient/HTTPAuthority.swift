import LinuxSystem

/// What the URL of a server tells about the way to it.
package enum HTTPAuthority {
    /// Returns whether no machine between this one and the server can read a request: https, or a loopback address.
    ///
    /// - Parameter url: http or https URL. Anything else counts as readable.
    package static func isProtected(_ url: String) -> Bool {
        guard let mark = url.firstRange(of: "://") else { return false }
        let scheme = url[..<mark.lowerBound].lowercased()
        guard scheme == "http" else { return scheme == "https" }
        let authority = url[mark.upperBound...].prefix { !"/?#\\".contains($0) }
        let host = authority[(authority.lastIndex(of: "@").map(authority.index(after:)) ?? authority.startIndex)...]
        if host.first == "[" {
            return IPAddress.isLoopback(host: String(host.dropFirst().prefix { $0 != "]" }))
        }
        return IPAddress.isLoopback(host: String(host.prefix { $0 != ":" }))
    }
}
