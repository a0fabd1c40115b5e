import Glibc
import LinuxSystem

/// Files that a hostile folder may hold in place of the expected ones.
package enum HostileFile: String, CaseIterable, Sendable {
    case linkToDevice, linkToFile, danglingLink, fifo, socket, folder

    /// Makes the file.
    ///
    /// - Parameters:
    ///   - path: path of the new file.
    ///   - target: the file of this machine that `linkToFile` leads to.
    /// - Throws: `SystemError`.
    package func make(_ path: String, target: String = "/etc/hostname") throws {
        let code =
            switch self {
            case .linkToDevice: symlink("/dev/zero", path)
            case .linkToFile: symlink(target, path)
            case .danglingLink: symlink(path + ".none", path)
            case .fifo: mkfifo(path, 0o644)
            case .socket: mknod(path, S_IFSOCK | 0o644, 0)
            case .folder: mkdir(path, 0o755)
            }
        guard code == 0 else { throw SystemError("make \(rawValue) \(path)") }
    }

    /// Makes a sparse file, which declares more bytes than any disk has.
    package static func makeSparse(_ path: String, bytes: Int = 100 << 30) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard file >= 0 else { throw SystemError("open \(path)") }
        defer { close(file) }
        guard ftruncate(file, off_t(bytes)) == 0 else { throw SystemError("truncate \(path)") }
    }
}
