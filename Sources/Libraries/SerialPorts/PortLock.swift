import CLinux
import Glibc
import LinuxSystem

/// Exclusive use of a port: an flock(2) on the device, released by the kernel when the process ends.
///
/// libnfc opens its ports itself with a lock that Linux does not enforce, so they are also locked this way.
package final class PortLock: Sendable {
    private let descriptor: Int32

    /// Locks a port without opening it for use.
    ///
    /// - Parameter path: path of the device.
    /// - Throws: `SystemError`; EBUSY if another process has locked the port.
    package init(_ path: String) throws {
        descriptor = try PortLock.open(path)
    }

    deinit { close(descriptor) }

    /// Opens and locks a port, without waiting for the device behind it.
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
