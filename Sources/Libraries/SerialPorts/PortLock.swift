import CLinux
import Glibc
import LinuxSystem

/// Keeps a second process off a port: an flock(2) on the device itself, freed by the kernel when this one dies.
///
/// libnfc opens its ports itself and marks them in a way that Linux does not keep, so its ports are locked by this, too.
package final class PortLock: Sendable {
    private let descriptor: Int32

    /// Throws `SystemError`; EBUSY when another process has the port.
    package init(_ path: String) throws {
        descriptor = try PortLock.open(path)
    }

    deinit { close(descriptor) }

    /// An open, locked port. Not waited for: a port whose other end is mute opens all the same.
    static func open(_ path: String) throws -> Int32 {
        let file = Glibc.open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { throw SystemError("open \(path)") }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno == EWOULDBLOCK ? EBUSY : errno
            close(file)
            throw SystemError("lock \(path)", code: code)
        }
        return file
    }
}
