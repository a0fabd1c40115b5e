import CLinux
import FileSystem
import Glibc
import LinuxSystem

/// A Unix domain socket for one line of text in each direction between programs of one device. The permissions of its
/// file control access.
package final class LocalSocket: Sendable {
    /// For poll(2).
    package let descriptor: Int32

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Maximum number of connections that wait for `accept`.
    private static let backlog: Int32 = 8
    /// Maximum size of a line, in bytes.
    package static let lineLimitBytes = 8_192

    /// Listens at a path and replaces an existing file. The caller must hold a lock that excludes other listeners.
    ///
    /// - Parameters:
    ///   - path: path of the socket.
    ///   - mode: permissions of its file.
    /// - Returns: the listening socket.
    /// - Throws: `SystemError`.
    package static func listen(_ path: String, mode: UInt32) throws -> LocalSocket {
        let socket = try LocalSocket.make()
        // Linux creates the file with the mode of the unbound socket, so it is never accessible to more users.
        guard fchmod(socket.descriptor, mode) == 0 else { throw SystemError("chmod \(path)") }
        try Files.remove(path)
        try withAddress(path) { address, length in
            guard bind(socket.descriptor, address, length) == 0 else { throw SystemError("listen at \(path)") }
        }
        // The umask has removed some permissions.
        guard chmod(path, mode) == 0 else { throw SystemError("chmod \(path)") }
        guard Glibc.listen(socket.descriptor, backlog) == 0 else { throw SystemError("listen at \(path)") }
        return socket
    }

    /// Connects to a path.
    ///
    /// - Parameter path: path of the socket.
    /// - Returns: the connection.
    /// - Throws: `SystemError`: ENOENT or ECONNREFUSED without a listener, EACCES without permission.
    package static func connect(_ path: String) throws -> LocalSocket {
        let socket = try LocalSocket.make()
        try withAddress(path) { address, length in
            guard Glibc.connect(socket.descriptor, address, length) == 0 else {
                throw SystemError("connect to \(path)")
            }
        }
        return socket
    }

    /// Accepts a connection without waiting.
    ///
    /// - Returns: the connection; `nil` if the client has already disconnected.
    package func accept() -> LocalSocket? {
        let file = Glibc.accept(descriptor, nil, nil)
        guard file >= 0 else { return nil }
        guard fcntl(file, F_SETFD, FD_CLOEXEC) == 0, fcntl(file, F_SETFL, O_NONBLOCK) == 0 else {
            close(file)
            return nil
        }
        return LocalSocket(file)
    }

    /// Reads one line. Bytes after it are discarded.
    ///
    /// - Parameters:
    ///   - withinMs: maximum wait for the whole line, in milliseconds.
    ///   - stop: a stop signal that ends the wait.
    /// - Returns: the line without its newline; `nil` after a disconnect, a time-out or a stop, and for a line that is
    ///   too long or not UTF-8.
    package func readLine(withinMs: Int, or stop: StopSignal? = nil) -> String? {
        let deadline = SystemClock.monotonicMs() + Int64(withinMs)
        var line: [UInt8] = []
        while line.count <= LocalSocket.lineLimitBytes {
            let left = deadline - SystemClock.monotonicMs()
            guard left > 0 else { return nil }
            _ = Poll.wait([descriptor] + (stop.map { [$0.descriptor] } ?? []), timeoutMs: Int(left))
            if stop?.isStopped == true { return nil }
            var chunk = [UInt8](repeating: 0, count: 1_024)
            let count = recv(descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
            if count < 0 && (errno == EAGAIN || errno == EINTR) { continue }
            guard count > 0 else { return nil }
            line += chunk[..<count]
            if let end = line.firstIndex(of: UInt8(ascii: "\n")) {
                return String(validating: line[..<end], as: UTF8.self)
            }
        }
        return nil
    }

    /// Writes one line without waiting.
    ///
    /// - Parameter text: the line without its newline.
    /// - Returns: `false` if the peer has disconnected or does not read.
    @discardableResult
    package func writeLine(_ text: String) -> Bool {
        let bytes = Array(text.utf8) + [UInt8(ascii: "\n")]
        // A small line fits the buffer of the socket. A client that has stopped reading must not block the caller.
        return send(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL)) == bytes.count
    }

    private static func make() throws -> LocalSocket {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let file = socket(AF_UNIX, type, 0)
        guard file >= 0 else { throw SystemError("create a local socket") }
        return LocalSocket(file)
    }

    /// Passes the address of a path to `body`. An address holds 107 bytes, so the folder is given as /proc/self/fd/N.
    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Void
    ) throws {
        let folder = open(Files.folder(of: path), shim_path_only() | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw SystemError("open folder \(Files.folder(of: path))") }
        defer { close(folder) }
        let short = Array("/proc/self/fd/\(folder)/\(Files.name(of: path))".utf8)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard short.count < room else { throw SystemError("address \(path)", code: ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: short) }
        try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
