import Glibc

/// An open regular file. The response is one consistent version, even if the file is replaced by rename during the
/// transfer.
package final class HTTPFile: Sendable {
    let descriptor: Int32
    /// Size in bytes.
    package let size: Int64
    /// Strong ETag with quotes, made of inode, size and modification time in nanoseconds. Unique for files that are
    /// replaced by rename and never written in place.
    package let etag: String

    /// A file that may exist but cannot be opened: no descriptors, no permission, or a disk error.
    package struct Unreadable: Error {
        /// errno.
        package let code: Int32
    }

    /// Opens a file; `nil` if there is no such regular file. Symbolic links are not followed.
    ///
    /// - Parameter path: path of the file.
    /// - Throws: `Unreadable` if the file may exist but cannot be opened.
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
