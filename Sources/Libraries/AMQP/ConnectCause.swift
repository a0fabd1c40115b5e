import CRabbitMQ
import Glibc

/// The system's reason of a failed TCP connection, which librabbitmq reports only as a socket error.
enum ConnectCause {
    /// Time limit for each address, in milliseconds.
    private static let limitMs: Int32 = 500

    /// Connects once more to find the reason.
    ///
    /// - Returns: for example `Connection refused`; `nil` if the connection succeeds now, or takes too long.
    static func of(host: String, port: some BinaryInteger) -> String? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else { return String(cString: gai_strerror(code)) }
        defer { freeaddrinfo(list) }
        var cause: String?
        var next = list
        while let address = next?.pointee {
            next = address.ai_next
            guard let number = error(address) else { return nil }
            cause = String(cString: strerror(number))
        }
        return cause
    }

    /// Returns the error number of a connection to one address; `nil` if it has none within the time limit.
    private static func error(_ address: addrinfo) -> Int32? {
        let file = Glibc.socket(address.ai_family, address.ai_socktype, address.ai_protocol)
        guard file >= 0 else { return errno }
        defer { close(file) }
        _ = fcntl(file, F_SETFL, O_NONBLOCK)
        if connect(file, address.ai_addr, address.ai_addrlen) == 0 { return nil }
        guard errno == EINPROGRESS else { return errno }
        var entry = pollfd(fd: file, events: Int16(POLLOUT), revents: 0)
        guard poll(&entry, 1, limitMs) == 1 else { return nil }
        var number: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(file, SOL_SOCKET, SO_ERROR, &number, &size)
        return number == 0 ? nil : number
    }
}
