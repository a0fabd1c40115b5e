import CLinux
import Glibc
import LinuxSystem

/// One serial port in raw mode, 8N1, or a pipe or an input device in its place, locked against other processes, closed when the
/// object goes. Confined to one thread at a
/// time but for `write`, which is one write(2).
package final class SerialPort: Sendable {
    package let path: String
    /// For poll(2).
    package let descriptor: Int32
    /// Whether it is an input device, whose bytes are the kernel's key events. It is grabbed, so that what a scanner types
    /// reaches no console and no other program.
    package let isKeyboard: Bool

    /// Most bytes of one `read`.
    package static let readLimitBytes = 4_096

    /// - Parameter baud: 1200 to 115200, one of the usual ones; ignored by pseudo-terminals and by anything that is no
    ///   terminal (a pipe).
    /// Throws `SystemError`: EBUSY when another process has the port, EINVAL for a baud rate that is none.
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
        (descriptor, self.isKeyboard) = (file, isKeyboard)
    }

    deinit { close(descriptor) }

    /// What has arrived, waiting at most `timeoutMs` for it; empty when nothing has. Throws `SystemError` when the port is
    /// gone (EIO after a hang-up).
    package func read(timeoutMs: Int) throws -> [UInt8] {
        guard Poll.wait([descriptor], timeoutMs: timeoutMs)[0] else { return [] }
        var bytes = [UInt8](repeating: 0, count: SerialPort.readLimitBytes)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        if count > 0 { return Array(bytes[..<count]) }
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return [] }
        // A device that was unplugged reads as at its end.
        throw SystemError("read \(path)", code: count == 0 ? EIO : errno)
    }

    /// All of it, waiting at most `timeoutMs` for room. Throws `SystemError`, ETIMEDOUT when there was none.
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
        guard tcgetattr(file, &settings) == 0 else { throw SystemError("ask \(path)") }
        cfmakeraw(&settings)
        settings.c_cflag |= tcflag_t(CLOCAL | CREAD)
        cfsetspeed(&settings, speed)
        guard tcsetattr(file, TCSANOW, &settings) == 0 else { throw SystemError("set up \(path)") }
        // Root may open it all the same, so the lock above is what counts among our own programs.
        guard shim_exclusive(file) == 0 else { throw SystemError("claim \(path)") }
    }
}
