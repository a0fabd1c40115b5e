import Glibc

/// An IP address with a TCP port, for connect(2).
package struct SocketAddress: Sendable {
    private let family: Int32
    /// The bytes of the C structure `sockaddr_in` or `sockaddr_in6`.
    private let bytes: [UInt8]

    /// Resolves a name.
    ///
    /// - Parameters:
    ///   - host: host name or IP number. A name server is asked without a time limit.
    ///   - port: TCP port.
    /// - Returns: all addresses of the name, in the order of the system's preference; at least one.
    /// - Throws: `SystemError` with the code EHOSTUNREACH and the resolver's text.
    package static func resolve(host: String, port: Int) throws(SystemError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0, list != nil else {
            throw SystemError(
                "connect to \(name(host: host, port: port))", code: EHOSTUNREACH,
                text: String(cString: gai_strerror(code)))
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next?.pointee {
            let bytes = UnsafeRawBufferPointer(start: entry.ai_addr, count: Int(entry.ai_addrlen))
            addresses.append(SocketAddress(family: entry.ai_family, bytes: Array(bytes)))
            next = entry.ai_next
        }
        return addresses
    }

    /// The form `HOST:PORT` of messages, with brackets around an IPv6 number.
    static func name(host: String, port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// Connects to the first address that accepts, in their order, within one time limit.
    ///
    /// An address that does not answer takes at most its share of the time that is left.
    ///
    /// - Parameters:
    ///   - addresses: the addresses of one server.
    ///   - operation: the operation and its object, for the error.
    ///   - deadline: the monotonic clock in milliseconds at which the attempt ends.
    /// - Returns: a connected, non-blocking descriptor. The caller closes it.
    /// - Throws: `SystemError` with the cause of the last address. A missing route is named only if no address has
    ///   another cause.
    package static func connect(
        toFirstOf addresses: [SocketAddress], operation: String, deadline: Int64
    ) throws(SystemError) -> Int32 {
        var cause: SystemError?
        for (index, address) in addresses.enumerated() {
            let now = SystemClock.monotonicMs()
            let share = max(0, deadline - now) / Int64(addresses.count - index)
            do throws(SystemError) {
                return try address.connect(operation, deadline: now + share)
            } catch {
                let isWithoutRoute = [ENETUNREACH, EHOSTUNREACH, EAFNOSUPPORT, EADDRNOTAVAIL].contains(error.code)
                if cause == nil || !isWithoutRoute { cause = error }
            }
        }
        throw cause ?? SystemError(operation, code: EHOSTUNREACH)
    }

    private func connect(_ operation: String, deadline: Int64) throws(SystemError) -> Int32 {
        let descriptor = socket(
            family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError(operation) }
        do throws(SystemError) {
            let result = bytes.withUnsafeBytes {
                Glibc.connect(
                    descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
            }
            guard result != 0 else { return descriptor }
            guard errno == EINPROGRESS else { throw SystemError(operation) }
            try Poll.wait(descriptor, for: POLLOUT, until: deadline, operation)
            var code: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
            guard code == 0 else { throw SystemError(operation, code: code) }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }
}
