import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// Writes some last bytes to a port when this process is gone, however it went: a tiny child holds the port and waits for the
/// end of a pipe that only this process has open, which the kernel closes even after SIGKILL.
///
/// The child has a session of its own and obeys no stop of ours, so a Ctrl-C that ends both cannot end it first. It holds the
/// port's lock until the bytes are written: the next process opens the port after that.
package final class RelayFailSafe: Sendable {
    /// The child; nil once it is dead and buried, for its number may be another's then.
    private let child: Mutex<pid_t?>
    private let pipe: Int32

    /// - Parameter lastBytes: at most 64: written in one go.
    /// Throws `SystemError` when there is no process to be had.
    package init(_ port: SerialPort, lastBytes: [UInt8]) throws {
        precondition(lastBytes.count <= 64)
        var ends: [Int32] = [-1, -1]
        guard shim_pipe(&ends, O_CLOEXEC) == 0 else { throw SystemError("pipe") }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        posix_spawn_file_actions_adddup2(&actions, port.descriptor, 1)
        shim_spawn_close_from(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        // A program that ignores SIGPIPE would hand that on.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | RelayFailSafe.newSession)

        let octal = lastBytes.map { byte in
            let digits = String(byte, radix: 8)
            return "\\" + String(repeating: "0", count: 3 - digits.count) + digits
        }
        let script = "trap '' INT TERM HUP QUIT PIPE; read -r line; printf '\(octal.joined())' 2>/dev/null"
        var words: [UnsafeMutablePointer<CChar>?] = (["sh", "-c", script] as [String]).map { strdup($0) } + [nil]
        var nothing: [UnsafeMutablePointer<CChar>?] = [nil]
        defer { for word in words { free(word) } }
        var pid = pid_t()
        let code = posix_spawn(&pid, "/bin/sh", &actions, &attributes, &words, &nothing)
        guard code == 0 else {
            close(ends[1])
            throw SystemError("start the port's guard", code: code)
        }
        child = Mutex(pid)
        pipe = ends[1]
    }

    /// Whether the child still stands by. One that is dead guards nothing, and needs a successor.
    package func isAlive() -> Bool {
        child.withLock { child in
            guard let pid = child else { return false }
            var status: Int32 = 0
            if waitpid(pid, &status, WNOHANG) != 0 { child = nil }
            return child != nil
        }
    }

    /// Lets the child write its bytes and go; waits for that.
    deinit {
        close(pipe)
        // It has one write left, which the port takes or refuses at once; a stuck port must not hold the caller.
        let deadline = SystemClock.monotonicMs() + RelayFailSafe.endMs
        while isAlive() {
            if SystemClock.monotonicMs() >= deadline, let pid = child.withLock({ $0 }) {
                kill(pid, SIGKILL)
                var status: Int32 = 0
                while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
                return
            }
            usleep(1_000)
        }
    }

    /// The time a child may take for its last write.
    private static let endMs: Int64 = 1_000
    /// POSIX_SPAWN_SETSID, which the headers show only to those who ask for GNU's extensions.
    private static let newSession: Int16 = 0x80
}
