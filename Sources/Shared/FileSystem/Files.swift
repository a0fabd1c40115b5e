import Glibc
import LinuxSystem

/// File operations that survive a power cut: temporary name, fsync, rename, fsync of the folder.
package enum Files {
    /// Default limit of `read`, in bytes. The files are keys, cursors and manifests.
    package static let defaultReadLimitBytes = 16 << 20
    static let chunkBytes = 65_536

    // MARK: Reading

    /// Reads a whole file.
    ///
    /// - Parameters:
    ///   - path: path of the file.
    ///   - limit: maximum size, in bytes.
    /// - Returns: the content.
    /// - Throws: `SystemError`; EFBIG for a larger file.
    package static func read(_ path: String, limit: Int = defaultReadLimitBytes) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try readChunks(path) { chunk in
            guard bytes.count + chunk.count <= limit else { throw SystemError("read \(path)", code: EFBIG) }
            bytes += chunk
        }
        return bytes
    }

    /// Reads a whole file as text, like `read`. Invalid UTF-8 is replaced. A byte order mark is skipped, because editors
    /// of Windows write one.
    package static func readText(_ path: String, limit: Int = defaultReadLimitBytes) throws -> String {
        let bytes = try read(path, limit: limit)
        return String(
            decoding: bytes.starts(with: byteOrderMark) ? bytes.dropFirst(byteOrderMark.count) : bytes[...],
            as: UTF8.self)
    }

    /// The byte order mark of UTF-8.
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// Reads a file in pieces.
    ///
    /// - Parameters:
    ///   - path: path of the file.
    ///   - body: called with pieces of at most 64 KiB.
    /// - Throws: `SystemError`, or the error of `body`.
    package static func readChunks(_ path: String, _ body: (ArraySlice<UInt8>) throws -> Void) throws {
        try withFile(path, O_RDONLY) { file in
            var chunk = [UInt8](repeating: 0, count: chunkBytes)
            while true {
                let count = Glibc.read(file, &chunk, chunk.count)
                if count == 0 { return }
                if count > 0 { try body(chunk[..<count]) }
                if count < 0 && errno != EINTR { throw SystemError("read \(path)") }
            }
        }
    }

    // MARK: Writing

    /// Replaces a file completely or not at all.
    ///
    /// - Parameters:
    ///   - bytes: the new content.
    ///   - path: path of the file.
    ///   - mode: permissions of the file.
    ///   - durable: whether the file is on the disk when the call returns.
    /// - Throws: `SystemError`.
    package static func writeAtomically(
        _ bytes: some Collection<UInt8>, to path: String, mode: UInt32 = 0o644, durable: Bool = true
    ) throws {
        try writeAtomically(to: path, mode: mode, durable: durable) { write in try write(Array(bytes)[...]) }
    }

    /// Replaces a file completely or not at all, with content in pieces.
    ///
    /// - Parameters:
    ///   - path: path of the file.
    ///   - mode: permissions of the file.
    ///   - durable: whether the file is on the disk when the call returns.
    ///   - body: passes the pieces to its argument. The file is not replaced if it throws.
    /// - Throws: `SystemError`, or the error of `body`.
    package static func writeAtomically(
        to path: String, mode: UInt32 = 0o644, durable: Bool = true,
        _ body: (_ write: (ArraySlice<UInt8>) throws -> Void) throws -> Void
    ) throws {
        let temporary = path + ".tmp-\(getpid())"
        do {
            // A new file: in a folder of others, the name may be a link to a file of this machine, or a FIFO.
            unlink(temporary)
            try withFile(temporary, O_WRONLY | O_CREAT | O_EXCL, mode) { file in
                guard fchmod(file, mode) == 0 else { throw SystemError("chmod \(temporary)") }
                try body { try writeAll($0, to: file, temporary) }
                if durable, fsync(file) != 0 { throw SystemError("fsync \(temporary)") }
            }
            try rename(temporary, to: path, durable: durable)
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Creates a file durably. An existing file is never changed.
    ///
    /// - Parameters:
    ///   - path: path of the file; must not exist.
    ///   - bytes: the content.
    ///   - mode: permissions of the file, also before it is complete.
    /// - Throws: `SystemError`; EEXIST if the path exists. After another error there is no file.
    package static func create(_ path: String, _ bytes: [UInt8], mode: UInt32) throws {
        try withFile(path, O_WRONLY | O_CREAT | O_EXCL, mode) { file in
            do {
                guard fchmod(file, mode) == 0 else { throw SystemError("chmod \(path)") }
                try writeAll(bytes[...], to: file, path)
                guard fsync(file) == 0 else { throw SystemError("fsync \(path)") }
            } catch {
                unlink(path)
                throw error
            }
        }
        try syncFolder(of: path)
    }

    /// Overwrites a part of an existing file. Does not sync the file.
    ///
    /// - Parameters:
    ///   - bytes: the bytes.
    ///   - path: path of the file.
    ///   - offset: offset of the first byte.
    /// - Throws: `SystemError`.
    package static func put(_ bytes: [UInt8], into path: String, at offset: Int) throws {
        try withFile(path, O_WRONLY) { file in
            guard lseek(file, off_t(offset), SEEK_SET) >= 0 else { throw SystemError("seek in \(path)") }
            try writeAll(bytes[...], to: file, path)
        }
    }

    /// Appends zeros to a file and syncs it, so that overwriting them later needs no free disk space.
    ///
    /// - Parameters:
    ///   - path: path of the file.
    ///   - size: wanted size of the file, in bytes.
    ///   - step: maximum number of zeros per call.
    /// - Returns: `false` if the file already has the size.
    /// - Throws: `SystemError`; ENOSPC on a full disk.
    package static func extend(_ path: String, toBytes size: Int, step: Int) throws -> Bool {
        guard let has = status(path)?.size, has < size else { return false }
        try withFile(path, O_WRONLY | O_APPEND) { file in
            try writeAll([UInt8](repeating: 0, count: min(step, size - has))[...], to: file, path)
            if fdatasync(file) != 0 { throw SystemError("fdatasync \(path)") }
        }
        return true
    }

    /// Copies a file. An existing target is replaced, and is incomplete after an error. Does not sync the target.
    ///
    /// - Throws: `SystemError`.
    package static func copy(_ from: String, to path: String) throws {
        unlink(path)
        try withFile(path, O_WRONLY | O_CREAT | O_EXCL) { target in
            try readChunks(from) { try writeAll($0, to: target, path) }
        }
    }

    /// Renames a file, and syncs its new folder if `durable`.
    ///
    /// - Throws: `SystemError`.
    package static func rename(_ from: String, to path: String, durable: Bool = true) throws {
        guard Glibc.rename(from, path) == 0 else { throw SystemError("rename \(from) to \(path)") }
        if durable { try syncFolder(of: path) }
    }

    /// Removes a file. A missing file is not an error.
    ///
    /// - Throws: `SystemError`.
    package static func remove(_ path: String) throws {
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove \(path)") }
    }

    /// Syncs a file or folder, including what other code (SQLite, zlib) has written to it.
    ///
    /// - Throws: `SystemError`.
    package static func sync(_ path: String) throws {
        try withFile(path, O_RDONLY) { file in
            guard fsync(file) == 0 else { throw SystemError("fsync \(path)") }
        }
    }

    // MARK: Parts

    static func withFile(
        _ path: String, _ flags: Int32, _ mode: UInt32 = 0o644, _ body: (Int32) throws -> Void
    ) throws {
        let file = open(path, flags | O_CLOEXEC, mode)
        guard file >= 0 else { throw SystemError("open \(path)") }
        defer { close(file) }
        try body(file)
    }

    static func writeAll(_ bytes: ArraySlice<UInt8>, to file: Int32, _ path: String) throws {
        try bytes.withUnsafeBytes { try Descriptor.writeAll($0, to: file, operation: "write \(path)") }
    }
}
