import CLinux
import FileSystem
import Glibc
import LinuxSystem
import Synchronization

/// A program under test. It is killed when the object is released.
///
/// All calls are thread-safe, but only one thread at a time may wait for output.
package final class ChildProcess: Sendable {
    /// Destination of standard output.
    package enum Output: Sendable {
        /// `line(withinMs:)`, which must be called before the pipe is full.
        case lines
        /// Appended to a file, which has every printed line, also after SIGKILL.
        case file(String)
        case null
    }

    package enum End: Equatable, Sendable, CustomStringConvertible {
        case exit(Int32)
        case signal(Int32)

        package var description: String {
            switch self {
            case .exit(let code): "exit code \(code)"
            case .signal(let number): "signal \(number)"
            }
        }
    }

    private struct State {
        var end: End?
        var input: Int32
        var pending: [UInt8] = []
        var outputEnded = false
    }

    package let pid: Int32
    /// The name and the arguments of the program, for messages.
    package let title: String
    private let output: Int32
    private let errorsPath: String?
    private let state: Mutex<State>

    /// Starts the program.
    ///
    /// - Parameters:
    ///   - executable: a path, or a name looked up in PATH.
    ///   - environment: variables added to the environment of the test run.
    ///   - errors: the file that standard error is appended to; `nil` for the standard error of the test run.
    /// - Throws: `SystemError`.
    package init(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:], output: Output = .lines,
        errors: String? = nil
    ) throws {
        title = ([String(executable.split(separator: "/").last ?? "")] + arguments).joined(separator: " ")
        errorsPath = errors
        signal(SIGPIPE, SIG_IGN)  // a write to an ended child must not end the test run
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let (inputRead, inputWrite) = try ChildProcess.pipe()
        defer { close(inputRead) }
        posix_spawn_file_actions_adddup2(&actions, inputRead, 0)
        var (outputRead, outputWrite): (Int32, Int32) = (-1, -1)
        switch output {
        case .lines:
            (outputRead, outputWrite) = try ChildProcess.pipe()
            posix_spawn_file_actions_adddup2(&actions, outputWrite, 1)
        case .file(let path):
            posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        case .null:
            posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        }
        defer { if outputWrite >= 0 { close(outputWrite) } }
        if let errors { posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o644) }
        shim_spawn_close_from(&actions, 3)

        var process = pid_t()
        let code = ChildProcess.spawn(&process, executable, arguments, environment, &actions)
        guard code == 0 else {
            close(inputWrite)
            if outputRead >= 0 { close(outputRead) }
            throw SystemError("start \(executable)", code: code)
        }
        (pid, self.output) = (process, outputRead)
        state = Mutex(State(input: inputWrite))
    }

    deinit {
        kill()
        closeInput()
        if output >= 0 { close(output) }
    }

    /// Writes the text to standard input.
    ///
    /// - Throws: `TestFailure` if the program has ended.
    package func write(_ text: String) throws {
        try state.withLock { state in
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(state.input, $0.baseAddress!, $0.count) }
                if count < 0 {
                    if errno == EINTR { continue }
                    throw TestFailure("write to \(title): \(String(cString: strerror(errno)))\(errorTail())")
                }
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Closes standard input; the program reads the end of the file.
    package func closeInput() {
        state.withLock { state in
            if state.input >= 0 { close(state.input) }
            state.input = -1
        }
    }

    /// The next line of standard output without its newline, or `nil` at its end.
    ///
    /// - Throws: `TestFailure` after the time limit.
    package func line(withinMs limitMs: Int = waitLimitMs) throws -> String? {
        let deadline = SystemClock.monotonicMs() + Int64(limitMs)
        while true {
            let ready: String?? = state.withLock { state in
                if let newline = state.pending.firstIndex(of: 10) {
                    let line = String(decoding: state.pending[..<newline], as: UTF8.self)
                    state.pending.removeFirst(newline + 1)
                    return line
                }
                return state.outputEnded ? .some(nil) : nil
            }
            if let ready { return ready }
            let left = Int(deadline - SystemClock.monotonicMs())
            guard left > 0, Poll.wait([output], timeoutMs: left)[0] else {
                throw TestFailure("\(title) printed no line within \(limitMs) ms\(errorTail())")
            }
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = read(output, &chunk, chunk.count)
            state.withLock { state in
                if count > 0 { state.pending += chunk[..<count] } else { state.outputEnded = count == 0 }
            }
        }
    }

    /// Sends a signal to the program if it has not been reaped. After SIGKILL, reaps it.
    package func kill(_ signal: Int32 = 9) {
        state.withLock { state in
            guard state.end == nil else { return }
            Glibc.kill(pid, signal)
            guard signal == SIGKILL else { return }
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
            state.end = ChildProcess.end(status)
        }
    }

    /// Stops the program, and waits until the kernel has stopped all its threads. SIGCONT resumes it. Does nothing if
    /// the program has ended.
    package func freeze() throws {
        kill(SIGSTOP)
        try eventually("\(title) is stopped", everyMs: 1) {
            guard let tasks = try? Files.list("/proc/\(pid)/task") else { return true }
            return tasks.allSatisfy { task in
                guard let stat = try? Files.readText("/proc/\(pid)/task/\(task)/stat", limit: 4_096) else {
                    return true
                }
                return ["T", "Z"].contains { stat.split(separator: ")").last?.hasPrefix(" \($0)") == true }
            }
        }
    }

    /// How the program ended; `nil` while it runs.
    package var end: End? {
        state.withLock { state in
            if state.end == nil {
                var status: Int32 = 0
                if waitpid(pid, &status, WNOHANG) == pid { state.end = ChildProcess.end(status) }
            }
            return state.end
        }
    }

    /// Waits for the end.
    ///
    /// - Throws: `TestFailure` after the time limit, with the last lines of standard error.
    @discardableResult
    package func wait(withinMs limitMs: Int = waitLimitMs) throws -> End {
        let deadline = SystemClock.monotonicMs() + Int64(limitMs)
        while true {
            if let end { return end }
            guard SystemClock.monotonicMs() < deadline else {
                throw TestFailure("\(title) did not end within \(limitMs) ms\(errorTail())")
            }
            // Linux reports the end of a child by SIGCHLD only, which belongs to the test run.
            usleep(2_000)
        }
    }

    /// Sends SIGTERM and waits for the end.
    @discardableResult
    package func stop(withinMs limitMs: Int = waitLimitMs) throws -> End {
        kill(SIGTERM)
        return try wait(withinMs: limitMs)
    }

    /// The last lines of standard error, if it goes to a file.
    package func errorTail(lines: Int = 12) -> String {
        guard let errorsPath, let text = try? Files.readText(errorsPath) else { return "" }
        return "\n" + text.split(separator: "\n").suffix(lines).joined(separator: "\n")
    }
}

extension ChildProcess {
    private static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard shim_pipe(&ends, O_CLOEXEC) == 0 else { throw SystemError("pipe") }
        return (ends[0], ends[1])
    }

    private static func end(_ status: Int32) -> End {
        let signal = status & 0x7f
        return signal == 0 ? .exit(status >> 8 & 0xff) : .signal(signal)
    }

    /// Calls posix_spawnp(3) and returns its error number.
    private static func spawn(
        _ process: inout pid_t, _ executable: String, _ arguments: [String], _ added: [String: String],
        _ actions: inout posix_spawn_file_actions_t
    ) -> Int32 {
        // The test run ignores SIGPIPE and may block other signals. The program starts with the defaults.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { variables[String(pair[0])] = String(pair[1]) }
            entry += 1
        }
        variables.merge(added) { $1 }
        var words = ([executable] + arguments).map { strdup($0) } + [nil]
        var pairs = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for pointer in words + pairs { free(pointer) } }
        return posix_spawnp(&process, executable, &actions, &attributes, &words, &pairs)
    }
}
