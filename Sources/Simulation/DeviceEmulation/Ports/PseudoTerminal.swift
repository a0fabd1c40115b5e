import CLinux
import Glibc
import LinuxSystem

/// A pseudo-terminal: this side plays the device, a program opens `path` as it would open a serial port.
package final class PseudoTerminal: Sendable {
    /// This side, for poll(2); non-blocking.
    package let descriptor: Int32
    /// `/dev/pts/N`, raw: no echo, no line ends translated.
    package let path: String

    /// Throws `SystemError`.
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

    /// What the program wrote, waiting at most `timeoutMs` for it; empty when nothing has come, also while no program has
    /// opened `path`.
    package func read(timeoutMs: Int) -> [UInt8] {
        guard Poll.wait([descriptor], timeoutMs: timeoutMs)[0] else { return [] }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        if count <= 0 {
            // EIO: nobody holds the other side, and poll(2) says so at once.
            usleep(1_000)
            return []
        }
        return Array(bytes[..<count])
    }

    /// Throws `SystemError`, EAGAIN where the program does not read.
    package func write(_ bytes: [UInt8]) throws {
        let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count == bytes.count else { throw SystemError("write \(path)", code: count < 0 ? errno : EAGAIN) }
    }

    /// Makes `link` a symbolic link to `path`, in one step: whoever opens it meets the old device or this one. So a device
    /// keeps its name when it is plugged in again, as udev gives names under /dev/serial/by-id. Throws `SystemError`; a file
    /// that is no link is left alone (EEXIST).
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

    /// Takes such a link away; one that is not there is fine.
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
