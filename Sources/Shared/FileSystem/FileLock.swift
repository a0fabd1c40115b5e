internal import CLinux
import Glibc

/// An exclusive flock(2) on a file, held as long as the object lives, and freed by the kernel when the process dies.
public final class FileLock: Sendable {
    private let descriptor: Int32

    /// Throws `ProgramError` (configuration) when another process holds it.
    public init(_ path: String) throws {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw SystemError("open \(path)") }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(file)
            guard code == EWOULDBLOCK else { throw SystemError("lock \(path)", code: code) }
            throw ProgramError.configuration("\(path) is locked: another process is using this folder")
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
