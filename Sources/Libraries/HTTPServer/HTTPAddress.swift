import Glibc

/// Listening address of a server: `ADDRESS:PORT`. The address is an IPv4 or `[IPv6]` number, `localhost`, or empty for
/// all interfaces. With port 0 the kernel chooses a port.
package struct HTTPAddress: Sendable, CustomStringConvertible {
    /// The address without brackets; empty for all interfaces.
    package let host: String
    /// TCP port; 0 lets the kernel choose one.
    package let port: UInt16

    /// Parses an address; `nil` if the text is not `ADDRESS:PORT`.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        self.host = String(host)
        self.port = port
        guard resolve() != nil else { return nil }
    }

    /// The address in the form `ADDRESS:PORT`.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Whether only this machine can reach the address: 127.0.0.0/8 or ::1.
    package var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

    /// The socket address, and whether it is IPv6. Only numbers: no name server is used for the server's own address.
    func resolve() -> (address: sockaddr_storage, isIPv6: Bool)? {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_NUMERICHOST
        var list: UnsafeMutablePointer<addrinfo>?
        let number = host == "localhost" ? "127.0.0.1" : host
        let code = getaddrinfo(number.isEmpty ? "0.0.0.0" : number, String(port), &hints, &list)
        guard code == 0, let found = list else { return nil }
        defer { freeaddrinfo(list) }
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(
                from: UnsafeRawBufferPointer(start: found.pointee.ai_addr, count: Int(found.pointee.ai_addrlen)))
        }
        return (storage, found.pointee.ai_family == AF_INET6)
    }
}
