/// A network of IP addresses: `ADDRESS/LENGTH`, or one address.
package struct IPNetwork: Sendable, Hashable {
    private let address: IPAddress
    /// Number of leading bits that all addresses have in common.
    private let length: Int

    /// Parses a network such as `192.0.2.0/24` or `2001:db8::/32`; `nil` for another text. The bits after the length
    /// must be 0.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { return nil }
        let bits = 8 * address.bytes.count
        var length = bits
        if parts.count == 2 {
            guard !parts[1].isEmpty, parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let given = Int(parts[1]),
                given <= bits
            else { return nil }
            length = given
        }
        self.address = address
        self.length = length
        guard (length..<bits).allSatisfy({ address.bytes[$0 / 8] & (0x80 >> ($0 % 8)) == 0 }) else { return nil }
    }

    /// Returns whether an address is within the network.
    package func contains(_ other: IPAddress) -> Bool {
        guard other.bytes.count == address.bytes.count else { return false }
        let whole = length / 8
        guard other.bytes[..<whole] == address.bytes[..<whole] else { return false }
        let rest = length % 8
        return rest == 0 || (other.bytes[whole] ^ address.bytes[whole]) >> (8 - rest) == 0
    }

    /// Networks of this machine only.
    package static let loopback = networks("127.0.0.0/8", "::1")
    /// Networks that the internet does not route: RFC 1918, RFC 4193, link-local ones (RFC 3927, RFC 4291), loopback.
    package static let `private` =
        networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10") + loopback

    private static func networks(_ texts: String...) -> [IPNetwork] { texts.compactMap { IPNetwork($0) } }
}
