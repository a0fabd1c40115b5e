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

        /// Whether the file belongs to root or to the user of this process, and no other user has access. Files with
        /// secrets require this.
        package var isPrivate: Bool { mode & 0o077 == 0 && (owner == 0 || owner == geteuid()) }

        /// Whether the file may hold a private key, by the rule of PostgreSQL: mode 600, or 640 if root owns it, as
        /// Debian's group `ssl-cert` needs it.
        package var isPrivateKey: Bool { mode & 0o077 == 0 || owner == 0 && mode & 0o037 == 0 }

        /// Who else can read or replace a file with a secret, as the end of a sentence; `nil` if no other user can.
        ///
        /// Like `isPrivate`, and a file of root with mode 0440 is permitted. systemd passes credentials in such files:
        /// its ACL for the user of the service shows as the right of the group. Pipes and devices are not checked,
        /// because a shell makes them for one reader.
        package var exposure: String? {
            guard isRegular else { return nil }
            guard owner == 0 || owner == geteuid() else {
                return "it belongs to user \(owner): it must belong to root or to the user of this program"
            }
            if mode & 0o077 == 0 || owner == 0 && mode == 0o440 { return nil }
            return "other users have access to it (mode 0\(String(mode, radix: 8))): chmod 600 it"
        }
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
