import CLinux
import Glibc
import LinuxSystem

/// One serial port in raw mode, 8N1, or a pipe or an input device in its place. Locked against other processes, and
/// closed with the object.
///
/// Confined to one thread at a time, except for `write`, which is one write(2).
package final class SerialPort: Sendable {
    /// Path of the device.
    package let path: String
    /// For poll(2).
    package let descriptor: Int32
    /// Whether the port is an input device, whose bytes are the kernel's key events. The device is grabbed, so that its
    /// input reaches no console and no other program.
    package let isKeyboard: Bool

    /// Maximum number of bytes of one `read`.
    package static let readLimitBytes = 4_096

    /// Opens and locks a port.
    ///
    /// - Parameters:
    ///   - path: path of the device.
    ///   - baud: a standard rate from 1200 to 115200; ignored by pseudo-terminals and pipes.
    /// - Throws: `SystemError`: EBUSY if another process uses the port, EINVAL for a non-standard baud rate.
    package init(_ path: String, baud: Int = 9_600) throws {
        self.path = path
        let file = try PortLock.open(path)
        let isKeyboard = shim_is_input_device(file) != 0
        do {
            if isKeyboard {
                guard shim_grab_input(file) == 0 else { throw SystemError("grab \(path)") }
            } else {
                try SerialPort.makeRaw(file, path, baud)
            }
        } catch {
            close(file)
            throw error
        }
        descriptor = file
        self.isKeyboard = isKeyboard
    }

    deinit { close(descriptor) }

    /// Reads the bytes that have arrived.
    ///
    /// - Parameter timeoutMs: maximum wait for the first byte, in milliseconds.
    /// - Returns: the bytes; empty if none arrived in time.
    /// - Throws: `SystemError` if the port is lost (EIO after a hang-up).
    package func read(timeoutMs: Int) throws -> [UInt8] {
        guard Poll.wait([descriptor], timeoutMs: timeoutMs)[0] else { return [] }
        var bytes = [UInt8](repeating: 0, count: SerialPort.readLimitBytes)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        if count > 0 { return Array(bytes[..<count]) }
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return [] }
        // An unplugged device reads as end of file.
        throw SystemError("read \(path)", code: count == 0 ? EIO : errno)
    }

    /// Writes all bytes.
    ///
    /// - Parameters:
    ///   - bytes: the bytes.
    ///   - timeoutMs: maximum wait for buffer space, in milliseconds.
    /// - Throws: `SystemError`; ETIMEDOUT if the device did not accept all bytes in time.
    package func write(_ bytes: [UInt8], timeoutMs: Int = 200) throws {
        let deadline = SystemClock.monotonicMs() + Int64(timeoutMs)
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress!, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
                continue
            }
            guard count < 0, errno == EAGAIN || errno == EINTR else { throw SystemError("write \(path)") }
            let left = deadline - SystemClock.monotonicMs()
            guard left > 0 else { throw SystemError("write \(path)", code: ETIMEDOUT) }
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = poll(&entry, 1, Int32(left))
        }
    }

    private static let speeds: [Int: speed_t] = [
        1_200: speed_t(B1200), 2_400: speed_t(B2400), 4_800: speed_t(B4800), 9_600: speed_t(B9600),
        19_200: speed_t(B19200), 38_400: speed_t(B38400), 57_600: speed_t(B57600), 115_200: speed_t(B115200),
    ]

    private static func makeRaw(_ file: Int32, _ path: String, _ baud: Int) throws {
        guard let speed = speeds[baud] else { throw SystemError("set \(baud) baud on \(path)", code: EINVAL) }
        guard isatty(file) == 1 else { return }
        var settings = termios()
        guard tcgetattr(file, &settings) == 0 else { throw SystemError("get attributes of \(path)") }
        cfmakeraw(&settings)
        settings.c_cflag |= tcflag_t(CLOCAL | CREAD)
        cfsetspeed(&settings, speed)
        guard tcsetattr(file, TCSANOW, &settings) == 0 else { throw SystemError("set attributes of \(path)") }
        // Root can open the port despite TIOCEXCL; between Tapline programs the lock above applies.
        guard shim_exclusive(file) == 0 else { throw SystemError("claim \(path)") }
    }
}
