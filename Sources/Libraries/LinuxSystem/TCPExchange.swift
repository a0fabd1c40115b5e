import Glibc

/// One request and one response over TCP: sends bytes and reads until the peer closes the connection.
package enum TCPExchange {
    /// Exchanges bytes with a server.
    ///
    /// - Parameters:
    ///   - host: host name or IP number. A name server is asked without a time limit.
    ///   - port: TCP port.
    ///   - request: the bytes to send, at most a few kilobytes.
    ///   - limitBytes: maximum size of the response.
    ///   - timeoutMs: maximum duration after the name is resolved, in milliseconds.
    /// - Returns: the response.
    /// - Throws: `SystemError`: ECONNREFUSED, ETIMEDOUT, EMSGSIZE for a longer response, or another code.
    package static func send(
        _ request: [UInt8], host: String, port: Int, limitBytes: Int, timeoutMs: Int
    ) throws(SystemError) -> [UInt8] {
        let operation = "connect to \(host):\(port)"
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0, let address = list?.pointee else {
            throw SystemError(operation, code: EHOSTUNREACH)
        }
        defer { freeaddrinfo(list) }
        let deadline = SystemClock.monotonicMs() + Int64(timeoutMs)
        let descriptor = socket(
            address.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError(operation) }
        defer { close(descriptor) }
        if connect(descriptor, address.ai_addr, address.ai_addrlen) != 0 {
            guard errno == EINPROGRESS else { throw SystemError(operation) }
            try wait(descriptor, POLLOUT, until: deadline, operation)
            var code: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
            guard code == 0 else { throw SystemError(operation, code: code) }
        }
        var rest = request[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else {
                guard [EAGAIN, EINTR].contains(errno) else { throw SystemError(operation) }
                try wait(descriptor, POLLOUT, until: deadline, operation)
            }
        }
        return try read(descriptor, limitBytes, until: deadline, operation)
    }

    private static func read(
        _ descriptor: Int32, _ limitBytes: Int, until deadline: Int64, _ operation: String
    ) throws(SystemError) -> [UInt8] {
        var response: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count == 0 { return response }
            if count > 0 {
                response += chunk[..<count]
                guard response.count <= limitBytes else { throw SystemError(operation, code: EMSGSIZE) }
            } else {
                guard [EAGAIN, EINTR].contains(errno) else { throw SystemError(operation) }
                try wait(descriptor, POLLIN, until: deadline, operation)
            }
        }
    }

    private static func wait(
        _ descriptor: Int32, _ event: Int32, until deadline: Int64, _ operation: String
    ) throws(SystemError) {
        var entry = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        while true {
            let count = poll(&entry, 1, Int32(clamping: max(0, deadline - SystemClock.monotonicMs())))
            if count > 0 { return }
            guard count < 0, errno == EINTR else { throw SystemError(operation, code: ETIMEDOUT) }
        }
    }
}
