import Glibc
import LinuxSystem

/// One connection to a port of this machine, controlled step by step: no call waits.
package final class ClientSocket {
    private let descriptor: Int32
    /// Whether the server has ended the connection.
    package private(set) var isOver = false
    private var chunk = [UInt8](repeating: 0, count: 65_536)

    /// - Parameter receiveBytes: size of the receive buffer; `nil` for that of the system.
    /// - Throws: `SystemError`.
    package init(_ port: UInt16, receiveBytes: Int32? = nil) throws {
        descriptor = try ClientSocket.connected(port, receiveBytes: receiveBytes)
        guard fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else { throw SystemError("fcntl") }
    }

    deinit { close(descriptor) }

    /// Returns the descriptor of a new connection, which the caller closes.
    static func connected(_ port: UInt16, receiveBytes: Int32? = nil) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if var size = receiveBytes {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else {
            let error = SystemError("connect")
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Returns whether the whole text was sent.
    package func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// Returns whether bytes have arrived, without reading them.
    package func peek() -> Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK)) == 1
    }

    /// Reads the bytes that have arrived.
    ///
    /// - Parameter take: receives them in one or several parts.
    package func read(_ take: (ArraySlice<UInt8>) -> Void) {
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else {
                isOver = isOver || count == 0 || errno != EAGAIN && errno != EINTR
                return
            }
            take(chunk[..<count])
        }
    }
}
