package import Glibc

/// An IP address without a port. An IPv4 address that is mapped into IPv6 equals the IPv4 address.
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    /// 4 bytes of IPv4, or 16 bytes of IPv6.
    let bytes: [UInt8]

    private init(_ bytes: [UInt8]) {
        let isMapped = bytes.count == 16 && bytes[..<12].elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])
        self.bytes = isMapped ? Array(bytes[12...]) : bytes
    }

    /// Parses an IP number, without brackets. A name gives `nil`: no name server is asked.
    package init?(_ text: String) {
        var short = in_addr()
        var long = in6_addr()
        if inet_pton(AF_INET, text, &short) == 1 {
            self.init(withUnsafeBytes(of: short) { Array($0) })
        } else if inet_pton(AF_INET6, text, &long) == 1 {
            self.init(withUnsafeBytes(of: long) { Array($0) })
        } else {
            return nil
        }
    }

    /// The address of a socket address; `nil` for another family than IPv4 and IPv6.
    package init?(_ address: UnsafePointer<sockaddr>) {
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            let number = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { $0.pointee.sin_addr }
            self.init(withUnsafeBytes(of: number) { Array($0) })
        case AF_INET6:
            let number = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { $0.pointee.sin6_addr }
            self.init(withUnsafeBytes(of: number) { Array($0) })
        default: return nil
        }
    }

    /// Whether the address is this machine: 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
        bytes.count == 4 ? bytes[0] == 127 : bytes[..<15].allSatisfy { $0 == 0 } && bytes[15] == 1
    }

    /// The part of the address that one host cannot change: all of IPv4, the first 64 bits of IPv6.
    package var network: IPAddress {
        bytes.count == 4 ? self : IPAddress(Array(bytes[..<8]) + [UInt8](repeating: 0, count: 8))
    }

    /// The number as text, as `inet_ntop` writes it.
    package var description: String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, bytes, &buffer, socklen_t(buffer.count)) != nil else { return "" }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Returns whether the host of a setting is this machine: a loopback number, or `localhost`.
    ///
    /// No name server is asked, so each other name counts as another machine.
    package static func isLoopback(host: String) -> Bool {
        host.lowercased() == "localhost" || IPAddress(host)?.isLoopback == true
    }
}
