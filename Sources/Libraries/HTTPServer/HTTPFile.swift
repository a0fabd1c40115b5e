import Glibc

/// A regular file held open, so that what is sent is one version of it, whatever is renamed meanwhile.
package final class HTTPFile: Sendable {
    let descriptor: Int32
    /// Bytes.
    package let size: Int64
    /// Strong, in quotes: inode, size and modification time in nanoseconds. Files that are replaced by rename, never
    /// written in place, cannot share it with other bytes.
    package let etag: String

    /// It is, or may be, there, and cannot be opened: for want of descriptors, of permission, or of a sound disk.
    package struct Unreadable: Error {
        /// errno
        package let code: Int32
    }

    /// Nil when there is no such regular file.
    package init?(path: String) throws(Unreadable) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            let code = errno
            guard [ENOENT, ENOTDIR, ELOOP, ENXIO, ENAMETOOLONG].contains(code) else { throw Unreadable(code: code) }
            return nil
        }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        size = Int64(info.st_size)
        let modifiedNs = UInt64(info.st_mtim.tv_sec) * 1_000_000_000 + UInt64(info.st_mtim.tv_nsec)
        etag = "\"\(String(info.st_ino, radix: 16))-\(String(size, radix: 16))-\(String(modifiedNs, radix: 16))\""
    }

    deinit { close(descriptor) }
}
