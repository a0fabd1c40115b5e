import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// Writes final bytes to a port when this process ends, even by SIGKILL.
///
/// A small child process holds the port and waits for the end of a pipe. Only this process has the pipe open, and the
/// kernel closes it when this process ends.
///
/// The child runs in a separate session and ignores termination signals, so that Ctrl-C cannot end it first. It holds
/// the port's lock until the bytes are written; the next process opens the port after that.
package final class RelayFailSafe: Sendable {
    /// The child; `nil` after it was reaped, because its process ID can be reused then.
    private let child: Mutex<pid_t?>
    private let pipe: Int32

    /// Starts the child process.
    ///
    /// - Parameters:
    ///   - port: the port of the relay board.
    ///   - lastBytes: the final bytes, at most 64, written by one write(2).
    /// - Throws: `SystemError` if the process cannot be started.
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
        // The child must not inherit an ignored SIGPIPE or a signal mask.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | RelayFailSafe.newSession)

        let octal = lastBytes.map { byte in
            let digits = String(byte, radix: 8)
            return "\\" + String(repeating: "0", count: 3 - digits.count) + digits
        }
        let script = "trap '' INT TERM HUP QUIT PIPE; read -r line; printf '\(octal.joined())' 2>/dev/null"
        var words: [UnsafeMutablePointer<CChar>?] = (["sh", "-c", script] as [String]).map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        defer { for word in words { free(word) } }
        var pid = pid_t()
        let code = posix_spawn(&pid, "/bin/sh", &actions, &attributes, &words, &environment)
        guard code == 0 else {
            close(ends[1])
            throw SystemError("start the relay fail-safe process", code: code)
        }
        child = Mutex(pid)
        pipe = ends[1]
    }

    /// Returns whether the child runs. If not, the port is unprotected, and a new fail-safe is needed.
    package func isAlive() -> Bool {
        child.withLock { child in
            guard let pid = child else { return false }
            var status: Int32 = 0
            if waitpid(pid, &status, WNOHANG) != 0 { child = nil }
            return child != nil
        }
    }

    /// Ends the child, which writes the final bytes, and waits for it for at most `endMs`.
    deinit {
        close(pipe)
        // A port that blocks must not block the caller.
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

    /// Time limit for the child's final write, in milliseconds.
    private static let endMs: Int64 = 1_000
    /// POSIX_SPAWN_SETSID, which the headers declare only with _GNU_SOURCE.
    private static let newSession: Int16 = 0x80
}
