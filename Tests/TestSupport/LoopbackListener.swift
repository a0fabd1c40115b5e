import Glibc
package import LinuxSystem

/// A TCP socket that listens on a free port of 127.0.0.1. Connections wait in the kernel's queue for accept(2).
package struct LoopbackListener: Sendable {
    /// The port.
    package let port: UInt16
    /// For poll(2): readable while a connection waits for accept(2).
    package let descriptor: Int32

    /// - Parameters:
    ///   - isBlocking: whether accept(2) waits for a connection.
    ///   - receiveBufferBytes: size of the kernel's receive buffer of each connection; `nil` for the usual one.
    /// - Throws: `SystemError`.
    package init(isBlocking: Bool = true, receiveBufferBytes: Int32? = nil) throws(SystemError) {
        let flags = Int32(SOCK_CLOEXEC.rawValue | (isBlocking ? 0 : SOCK_NONBLOCK.rawValue))
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | flags, 0)
        if var bytes = receiveBufferBytes {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 64) == 0
                    && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard isBound else { throw SystemError("listen") }
        (self.descriptor, port) = (descriptor, UInt16(bigEndian: address.sin_port))
    }

    /// Closes the socket. Connections that wait are reset.
    package func end() { close(descriptor) }
}
