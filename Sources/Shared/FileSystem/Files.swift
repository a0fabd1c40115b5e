import Glibc
import LinuxSystem

/// File operations that survive a power cut: temporary name, fsync, rename, fsync of the folder.
package enum Files {
    /// Largest file `read` takes unless told otherwise: these are keys, pointers and manifests.
    package static let defaultReadLimitBytes = 16 << 20

    /// The whole file. Throws `SystemError`; a file over `limit` bytes is EFBIG.
    package static func read(_ path: String, limit: Int = defaultReadLimitBytes) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try readChunks(path) { chunk in
            guard bytes.count + chunk.count <= limit else { throw SystemError("read \(path)", code: EFBIG) }
            bytes += chunk
        }
        return bytes
    }

    /// Gives the file to `body` in pieces of at most 64 KiB. Throws `SystemError`.
    package static func readChunks(_ path: String, _ body: (ArraySlice<UInt8>) throws -> Void) throws {
        try withFile(path, O_RDONLY) { file in
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = Glibc.read(file, &chunk, chunk.count)
                if count == 0 { return }
                if count > 0 { try body(chunk[..<count]) }
                if count < 0 && errno != EINTR { throw SystemError("read \(path)") }
            }
        }
    }

    /// Up to `count` bytes from `offset`, of which those of a block of 4 KiB that the disk does not give any more are zeros;
    /// fewer only at the end of the file. Throws `SystemError` for a file that cannot be opened.
    package static func salvage(_ path: String, at offset: Int, count: Int) throws -> [UInt8] {
        let blockBytes = 4_096
        let count = min(count, max(0, (status(path)?.size ?? 0) - offset))
        var bytes = [UInt8](repeating: 0, count: count)
        try withFile(path, O_RDONLY) { file in
            var at = 0
            var isBad = false
            while at < count {
                // A long read says nothing of its parts: after a failure, block by block.
                let most = isBad ? blockBytes - (offset + at) % blockBytes : count - at
                let length = min(most, count - at)
                let got = bytes.withUnsafeMutableBytes {
                    pread(file, $0.baseAddress! + at, length, off_t(offset + at))
                }
                if got > 0 { at += got }
                if got == 0 { return }
                guard got < 0, errno != EINTR else { continue }
                if isBad { at += length }
                isBad = true
            }
        }
        return bytes
    }

    /// As `readChunks`, over blocks that the disk does not give any more: see `salvage`.
    package static func salvageChunks(_ path: String, _ body: (ArraySlice<UInt8>) throws -> Void) throws {
        let size = status(path)?.size ?? 0
        for offset in stride(from: 0, to: size, by: 65_536) {
            try body(salvage(path, at: offset, count: 65_536)[...])
        }
    }

    package static func readText(_ path: String, limit: Int = defaultReadLimitBytes) throws -> String {
        String(decoding: try read(path, limit: limit), as: UTF8.self)
    }

    /// Replaces the file whole or not at all. With `durable` (the default) it is on the disk when this returns.
    package static func writeAtomically(
        _ bytes: some Collection<UInt8>, to path: String, mode: UInt32 = 0o644, durable: Bool = true
    ) throws {
        try writeAtomically(to: path, mode: mode, durable: durable) { write in try write(Array(bytes)[...]) }
    }

    /// The same in pieces, for what is too large to be held: `body` gives them to the closure that it gets. The file is not
    /// replaced when it throws.
    package static func writeAtomically(
        to path: String, mode: UInt32 = 0o644, durable: Bool = true,
        _ body: (_ write: (ArraySlice<UInt8>) throws -> Void) throws -> Void
    ) throws {
        let temporary = path + ".tmp-\(getpid())"
        do {
            try withFile(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode) { file in
                guard fchmod(file, mode) == 0 else { throw SystemError("chmod \(temporary)") }
                try body { try writeAll($0, to: file, "write \(temporary)") }
                if durable, fsync(file) != 0 { throw SystemError("fsync \(temporary)") }
            }
            try rename(temporary, to: path, durable: durable)
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Writes bytes into a file that is there, from `offset` on. Not synced. Throws `SystemError`.
    package static func put(_ bytes: [UInt8], into path: String, at offset: Int) throws {
        try withFile(path, O_WRONLY) { file in
            guard lseek(file, off_t(offset), SEEK_SET) >= 0 else { throw SystemError("seek in \(path)") }
            try writeAll(bytes[...], to: file, "write \(path)")
        }
    }

    private static func withFile(
        _ path: String, _ flags: Int32, _ mode: UInt32 = 0o644, _ body: (Int32) throws -> Void
    ) throws {
        let file = open(path, flags | O_CLOEXEC, mode)
        guard file >= 0 else { throw SystemError("open \(path)") }
        defer { close(file) }
        try body(file)
    }

    package static func writeAll(_ bytes: ArraySlice<UInt8>, to file: Int32, _ operation: @autoclosure () -> String)
        throws
    {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(file, $0.baseAddress!, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError(operation())
            }
            rest = rest.dropFirst(count)
        }
    }

    /// rename(2), then fsync of the folder.
    package static func rename(_ from: String, to path: String, durable: Bool = true) throws {
        guard Glibc.rename(from, path) == 0 else { throw SystemError("rename \(from) to \(path)") }
        if durable { try syncFolder(of: path) }
    }

    /// Copies a file's bytes; an existing target is overwritten, and left in part when this throws. Not synced.
    package static func copy(_ from: String, to path: String) throws {
        try withFile(path, O_WRONLY | O_CREAT | O_TRUNC) { target in
            try readChunks(from) { try writeAll($0, to: target, "write \(path)") }
        }
    }

    /// The same of a file on a disk that may be failing: blocks that it does not give any more are zeros (see `salvage`), and
    /// then the result is false. Throws `SystemError` for a file that cannot be opened, and where the copy cannot be written.
    package static func copyReadable(_ from: String, to path: String) throws -> Bool {
        do {
            try copy(from, to: path)
            return true
        } catch let error as SystemError where [EIO, EUCLEAN, EBADMSG].contains(error.code) {}
        try withFile(path, O_WRONLY | O_CREAT | O_TRUNC) { target in
            try salvageChunks(from) { try writeAll($0, to: target, "write \(path)") }
        }
        return false
    }

    /// fsync of one file, so that what another writer (SQLite, zlib) put there survives a power cut.
    package static func sync(_ path: String) throws {
        try withFile(path, O_RDONLY) { file in
            guard fsync(file) == 0 else { throw SystemError("fsync \(path)") }
        }
    }

    package static func syncFolder(of path: String) throws { try sync(folder(of: path)) }

    package static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Makes the folder and its parents; one that is there already is fine. What it made is on the disk when this returns.
    package static func makeFolder(_ path: String, mode: UInt32 = 0o755) throws {
        // "a/" is in the folder of "a".
        if path.count > 1, path.hasSuffix("/") { return try makeFolder(String(path.dropLast()), mode: mode) }
        if try makeOneFolder(path, mode) { return }
        guard folder(of: path) != path else { throw SystemError("mkdir \(path)", code: ENOENT) }
        try makeFolder(folder(of: path), mode: mode)
        guard try makeOneFolder(path, mode) else { throw SystemError("mkdir \(path)", code: ENOENT) }
    }

    /// False: the folder that it is to be in is not there.
    private static func makeOneFolder(_ path: String, _ mode: UInt32) throws -> Bool {
        guard mkdir(path, mode) == 0 else {
            if errno == EEXIST { return true }
            if errno == ENOENT { return false }
            throw SystemError("mkdir \(path)")
        }
        do { try syncFolder(of: path) } catch {
            // Who tries again would find it there, and rely on it.
            rmdir(path)
            throw error
        }
        return true
    }

    /// Makes a new folder of which nobody else knows, in TMPDIR or /tmp, mode 0700.
    package static func makeTemporaryFolder(_ prefix: String) throws -> String {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var name = Array("\(base)/\(prefix)-XXXXXX".utf8CString)
        let made = name.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
        guard made else { throw SystemError("make a temporary folder in \(base)") }
        return String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes a folder with all it holds; links are removed, not followed. One that is not there is fine.
    package static func removeFolder(_ path: String) throws {
        var info = stat()
        guard lstat(path, &info) == 0 else {
            guard errno == ENOENT else { throw SystemError("remove \(path)") }
            return
        }
        guard info.st_mode & S_IFMT == S_IFDIR else { return try remove(path) }
        for name in try list(path) { try removeFolder(path + "/" + name) }
        guard rmdir(path) == 0 || errno == ENOENT else { throw SystemError("remove \(path)") }
    }

    /// Names in a folder, sorted, without `.` and `..`.
    package static func list(_ folder: String) throws -> [String] {
        guard let stream = opendir(folder) else { throw SystemError("open folder \(folder)") }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Removes a file; one that is not there is fine.
    package static func remove(_ path: String) throws {
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove \(path)") }
    }

    /// Bytes that the file system of `path` still takes from us; nil when it cannot be asked.
    package static func freeBytes(_ path: String) -> Int64? {
        var info = statvfs()
        guard statvfs(path, &info) == 0 else { return nil }
        return Int64(info.f_bavail) * Int64(info.f_frsize)
    }

    /// Appends zeros until the file has `size` bytes, at most `step` of them, really written and synced: overwriting them
    /// later needs no room on the disk. False when the file has its size already. Throws `SystemError`, ENOSPC on a full disk.
    package static func extend(_ path: String, toBytes size: Int, step: Int) throws -> Bool {
        guard let has = status(path)?.size, has < size else { return false }
        try withFile(path, O_WRONLY | O_APPEND) { file in
            try writeAll([UInt8](repeating: 0, count: min(step, size - has))[...], to: file, "write \(path)")
            if fdatasync(file) != 0 { throw SystemError("fdatasync \(path)") }
        }
        return true
    }

    /// How full the file system of `path` is for us, 0 to 100, as df(1) counts; nil when it cannot be asked.
    package static func usedPercent(_ path: String) -> Int? {
        var info = statvfs()
        guard statvfs(path, &info) == 0, info.f_blocks > 0 else { return nil }
        let used = info.f_blocks - info.f_bfree
        let all = used + info.f_bavail
        return all == 0 ? 100 : Int((used * 100 + all - 1) / all)
    }

    /// Size in bytes, modification time in nanoseconds since 1970, inode, permission bits and owner; nil when there is no such
    /// file.
    package static func status(_ path: String) -> Status? {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        return Status(
            size: Int(info.st_size),
            modifiedNs: Int64(info.st_mtim.tv_sec) * 1_000_000_000 + Int64(info.st_mtim.tv_nsec),
            inode: UInt64(info.st_ino), mode: UInt32(info.st_mode & 0o7777),
            owner: info.st_uid)
    }

    package struct Status: Sendable, Equatable {
        package let size: Int
        package let modifiedNs: Int64
        package let inode: UInt64
        package let mode: UInt32
        package let owner: UInt32

        /// Whether the file belongs to root or to this process's user, and is open to nobody else: what a file of secrets must be.
        package var isPrivate: Bool { mode & 0o077 == 0 && (owner == 0 || owner == geteuid()) }
    }
}
