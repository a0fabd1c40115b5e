import CLinux
import Glibc
import LinuxSystem

/// A pseudo-terminal. The owner plays the device, and a program opens `path` like a serial port.
package final class PseudoTerminal: Sendable {
    /// The non-blocking descriptor of the device side, for poll(2).
    package let descriptor: Int32
    /// `/dev/pts/N`, in raw mode: no echo, no translation of line ends.
    package let path: String

    /// - Throws: `SystemError`.
    package init() throws {
        let master = posix_openpt(O_RDWR | O_NOCTTY)
        guard master >= 0 else { throw SystemError("open a pseudo-terminal") }
        do { path = try PseudoTerminal.prepare(master) } catch {
            close(master)
            throw error
        }
        descriptor = master
    }

    deinit { close(descriptor) }

    /// Reads bytes that the program wrote.
    ///
    /// - Returns: the bytes; empty after `timeoutMs` milliseconds, and while no program has opened `path`.
    package func read(timeoutMs: Int) -> [UInt8] {
        guard Poll.wait([descriptor], timeoutMs: timeoutMs)[0] else { return [] }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        if count <= 0 {
            // EIO: no program has opened the other side, and poll(2) returns immediately. Limits the polling rate.
            usleep(1_000)
            return []
        }
        return Array(bytes[..<count])
    }

    /// - Throws: `SystemError`, with EAGAIN if the program does not read.
    package func write(_ bytes: [UInt8]) throws {
        let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count == bytes.count else { throw SystemError("write \(path)", code: count < 0 ? errno : EAGAIN) }
    }

    /// Makes `link` a symbolic link to `path`, and replaces an older link atomically.
    ///
    /// A device keeps its path when it is plugged in again, like the names that udev gives under /dev/serial/by-id.
    ///
    /// - Throws: `SystemError`, with EEXIST if `link` is a file of another type.
    package func link(at link: String) throws {
        try PseudoTerminal.refuseFile(link)
        let temporary = "\(link).\(getpid())-\(descriptor)"
        unlink(temporary)
        guard symlink(path, temporary) == 0 else { throw SystemError("link \(link)") }
        guard rename(temporary, link) == 0 else {
            let code = errno
            unlink(temporary)
            throw SystemError("link \(link)", code: code)
        }
    }

    /// Removes a link that `link(at:)` made, if it exists.
    package static func removeLink(_ link: String) {
        guard (try? refuseFile(link)) != nil else { return }
        unlink(link)
    }

    private static func refuseFile(_ link: String) throws {
        var info = stat()
        guard lstat(link, &info) != 0 || info.st_mode & S_IFMT == S_IFLNK else {
            throw SystemError("link \(link)", code: EEXIST)
        }
    }

    private static func prepare(_ master: Int32) throws -> String {
        guard grantpt(master) == 0, unlockpt(master) == 0 else { throw SystemError("unlock a pseudo-terminal") }
        var name = [CChar](repeating: 0, count: 64)
        guard ptsname_r(master, &name, 64) == 0 else { throw SystemError("name a pseudo-terminal") }
        let path = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard slave >= 0 else { throw SystemError("open \(path)") }
        defer { close(slave) }
        var settings = termios()
        tcgetattr(slave, &settings)
        cfmakeraw(&settings)
        guard tcsetattr(slave, TCSANOW, &settings) == 0 else { throw SystemError("set up \(path)") }
        guard fcntl(master, F_SETFL, O_NONBLOCK) == 0, fcntl(master, F_SETFD, FD_CLOEXEC) == 0 else {
            throw SystemError("set up \(path)")
        }
        return path
    }
}
