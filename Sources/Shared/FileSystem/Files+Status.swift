import Glibc
import LinuxSystem

/// State of files and file systems.
extension Files {
    /// Returns whether a file or folder exists and is accessible.
    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Returns the status of a file; `nil` without a file.
    package static func status(_ path: String) -> Status? {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        return Status(
            size: Int(info.st_size),
            modifiedNs: Int64(info.st_mtim.tv_sec) * 1_000_000_000 + Int64(info.st_mtim.tv_nsec),
            inode: UInt64(info.st_ino), mode: UInt32(info.st_mode & 0o7777),
            owner: info.st_uid, isRegular: info.st_mode & S_IFMT == S_IFREG)
    }

    /// Size, times, permissions and owner of a file.
    package struct Status: Sendable, Equatable {
        /// Size, in bytes.
        package let size: Int
        /// Modification time, in nanoseconds since 1970-01-01 UTC.
        package let modifiedNs: Int64
        /// Number of the inode. It changes if another file takes the path by rename.
        package let inode: UInt64
        /// Permission bits.
        package let mode: UInt32
        /// User ID of the owner.
        package let owner: UInt32
        /// Whether it is a regular file, and no folder, pipe or device.
        package let isRegular: Bool
    }

    /// Returns the free space of a path's file system for this process, in bytes; `nil` if it is unknown.
    package static func freeBytes(_ path: String) -> Int64? {
        var info = statvfs()
        guard statvfs(path, &info) == 0 else { return nil }
        return Int64(info.f_bavail) * Int64(info.f_frsize)
    }

    /// Checks that a disk has room for a file, before any byte of it is written.
    ///
    /// - Parameters:
    ///   - bytes: what the file still needs.
    ///   - reserveBytes: space that is left free, in bytes, for writes that must never fail.
    ///   - path: path of the file. Its folder exists.
    /// - Throws: `SystemError` ENOSPC. An unknown free space is no error.
    package static func requireSpace(_ bytes: Int64, leaving reserveBytes: Int64, for path: String) throws {
        let (needed, overflows) = bytes.addingReportingOverflow(reserveBytes)
        guard let free = freeBytes(folder(of: path)), overflows || free < needed else { return }
        throw SystemError(
            "write \(path)", code: ENOSPC,
            text: "\(free) bytes are free, and \(bytes) and a reserve of \(reserveBytes) are needed; free some space")
    }

    /// Returns the used part of a path's file system in percent, 0 to 100, as df(1) computes it; `nil` if it is
    /// unknown.
    package static func usedPercent(_ path: String) -> Int? {
        var info = statvfs()
        guard statvfs(path, &info) == 0, info.f_blocks > 0 else { return nil }
        let used = info.f_blocks - info.f_bfree
        let all = used + info.f_bavail
        return all == 0 ? 100 : Int((used * 100 + all - 1) / all)
    }
}
