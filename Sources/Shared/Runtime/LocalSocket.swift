import CLinux
import FileSystem
import Glibc
import LinuxSystem

/// A socket in the file system, for one line of text each way between programs of one device. Who may connect is said by the
/// permissions of its file.
package final class LocalSocket: Sendable {
    /// For poll(2).
    package let descriptor: Int32

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Connections that may wait to be taken.
    private static let backlog: Int32 = 8
    /// Bytes of a line, in either direction.
    package static let lineLimitBytes = 8_192

    /// Listens at `path`, whose file gets `mode`. A file that is there already is replaced: the caller knows, by a lock,
    /// that nobody else listens. Throws `SystemError`.
    package static func listen(_ path: String, mode: UInt32) throws -> LocalSocket {
        let socket = try LocalSocket.make()
        // Linux makes the file with the mode of the unbound socket: at no time is it open to more people.
        guard fchmod(socket.descriptor, mode) == 0 else { throw SystemError("chmod \(path)") }
        try Files.remove(path)
        try withAddress(path) { address, length in
            guard bind(socket.descriptor, address, length) == 0 else { throw SystemError("listen at \(path)") }
        }
        // The umask took some of it away.
        guard chmod(path, mode) == 0 else { throw SystemError("chmod \(path)") }
        guard Glibc.listen(socket.descriptor, backlog) == 0 else { throw SystemError("listen at \(path)") }
        return socket
    }

    /// Throws `SystemError`: ENOENT or ECONNREFUSED where nobody listens, EACCES where one may not.
    package static func connect(_ path: String) throws -> LocalSocket {
        let socket = try LocalSocket.make()
        try withAddress(path) { address, length in
            guard Glibc.connect(socket.descriptor, address, length) == 0 else {
                throw SystemError("connect to \(path)")
            }
        }
        return socket
    }

    /// Who connected; nil when they are gone again. Never waits.
    package func accept() -> LocalSocket? {
        let file = Glibc.accept(descriptor, nil, nil)
        guard file >= 0 else { return nil }
        guard fcntl(file, F_SETFD, FD_CLOEXEC) == 0, fcntl(file, F_SETFL, O_NONBLOCK) == 0 else {
            close(file)
            return nil
        }
        return LocalSocket(file)
    }

    /// One line without its newline, waiting at most `withinMs` for all of it; what follows it is dropped. Nil when the other
    /// side is gone, too slow, too long, told to stop, or speaks no UTF-8.
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

    /// Writes a line; false where the other side is gone or does not read.
    @discardableResult
    package func writeLine(_ text: String) -> Bool {
        let bytes = Array(text.utf8) + [UInt8(ascii: "\n")]
        // One small line fits the socket's buffer: no wait, and none for a client that has stopped reading.
        return send(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL)) == bytes.count
    }

    private static func make() throws -> LocalSocket {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let file = socket(AF_UNIX, type, 0)
        guard file >= 0 else { throw SystemError("make a local socket") }
        return LocalSocket(file)
    }

    /// An address holds 107 bytes of path; through a descriptor of its folder every path is short.
    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Void
    ) throws {
        let folder = open(Files.folder(of: path), shim_path_only() | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw SystemError("open folder \(Files.folder(of: path))") }
        defer { close(folder) }
        let name = path.split(separator: "/").last ?? ""
        let short = Array("/proc/self/fd/\(folder)/\(name)".utf8)
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
