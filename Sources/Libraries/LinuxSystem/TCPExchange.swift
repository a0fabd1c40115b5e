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
    ///   - timeoutMs: maximum duration after the name is resolved, for all its addresses, in milliseconds.
    /// - Returns: the response.
    /// - Throws: `SystemError` that names host, port and the last cause: ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH for an
    ///   unknown name, EMSGSIZE for a longer response, or another code.
    package static func send(
        _ request: [UInt8], host: String, port: Int, limitBytes: Int, timeoutMs: Int
    ) throws(SystemError) -> [UInt8] {
        let operation = "connect to \(SocketAddress.name(host: host, port: port))"
        let addresses = try SocketAddress.resolve(host: host, port: port)
        return try send(
            request, toFirstOf: addresses, operation: operation, limitBytes: limitBytes, timeoutMs: timeoutMs)
    }

    /// Exchanges bytes with the first address of a server that accepts a connection.
    static func send(
        _ request: [UInt8], toFirstOf addresses: [SocketAddress], operation: String, limitBytes: Int, timeoutMs: Int
    ) throws(SystemError) -> [UInt8] {
        let deadline = SystemClock.monotonicMs() + Int64(timeoutMs)
        let descriptor = try SocketAddress.connect(toFirstOf: addresses, operation: operation, deadline: deadline)
        defer { close(descriptor) }
        var rest = request[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else {
                guard [EAGAIN, EINTR].contains(errno) else { throw SystemError(operation) }
                try Poll.wait(descriptor, for: POLLOUT, until: deadline, operation)
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
                try Poll.wait(descriptor, for: POLLIN, until: deadline, operation)
            }
        }
    }
}
