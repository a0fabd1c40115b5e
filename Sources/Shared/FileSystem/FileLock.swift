import CLinux
package import ErrorModel
import Glibc
import LinuxSystem

/// An exclusive flock(2) on a file, held as long as the object lives. The kernel releases it when the process ends.
package final class FileLock: Sendable {
    /// Another process holds the lock.
    package struct Held: OperationError {
        /// Path of the lock file.
        package let path: String
        /// Always `.configuration`.
        package var category: ErrorCategory { .configuration }
        /// The path and the cause.
        package var description: String { "cannot lock \(path): another process holds the lock" }
    }

    private let descriptor: Int32

    /// Takes the lock without waiting.
    ///
    /// - Parameter path: path of the lock file, which is created if it is missing.
    /// - Throws: `FileLock.Held` if another process holds the lock, `SystemError` if the file cannot be opened.
    package init(_ path: String) throws {
        // A lock file is no link, not even in the data folder of a dead device.
        let file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw SystemError("open \(path)") }
        guard FileLock.lock(file) else {
            let code = errno
            close(file)
            guard code == EWOULDBLOCK else { throw SystemError("lock \(path)", code: code) }
            throw Held(path: path)
        }
        // Last, because an initializer that throws after setting all properties runs deinit, which would close it
        // again.
        descriptor = file
    }

    /// Tries a few times: `isHeld` of another process takes the lock for an instant.
    private static func lock(_ file: Int32) -> Bool {
        for _ in 0..<5 {
            if flock(file, LOCK_EX | LOCK_NB) == 0 { return true }
            guard errno == EWOULDBLOCK else { return false }
            usleep(2_000)
        }
        return flock(file, LOCK_EX | LOCK_NB) == 0
    }

    /// Whether a process holds the lock.
    ///
    /// - Parameter path: path of the lock file. A missing or unreadable file is not held.
    package static func isHeld(_ path: String) -> Bool {
        let file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        guard flock(file, LOCK_SH | LOCK_NB) == 0 else { return errno == EWOULDBLOCK }
        flock(file, LOCK_UN)
        return false
    }

    deinit {
        // Explicitly, because a child process that another thread is starting holds a copy of the descriptor. The copy
        // would hold the lock until the child's exec.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
