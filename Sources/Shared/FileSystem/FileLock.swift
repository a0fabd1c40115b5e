import CLinux
package import ErrorModel
import Glibc
import LinuxSystem

/// An exclusive flock(2) on a file, held as long as the object lives, and freed by the kernel when the process dies.
package final class FileLock: Sendable {
    /// Another process holds the lock.
    package struct Held: OperationError {
        package let path: String
        package var category: ErrorCategory { .configuration }
        package var description: String { "\(path) is locked: another process is using this folder" }
    }

    private let descriptor: Int32

    /// Takes the lock without waiting.
    ///
    /// - Throws: `FileLock.Held` when another process holds it, `SystemError` when the file cannot be opened.
    package init(_ path: String) throws {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw SystemError("open \(path)") }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(file)
            guard code == EWOULDBLOCK else { throw SystemError("lock \(path)", code: code) }
            throw Held(path: path)
        }
        // Last: an initializer that throws with all properties set runs deinit, which would close a second time.
        descriptor = file
    }

    deinit {
        // Said, and not left to close(2): a child that another thread is just starting holds a copy of the descriptor until it
        // has become its program, and with it the lock.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
