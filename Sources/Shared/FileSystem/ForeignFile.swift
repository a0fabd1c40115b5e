import Glibc
import LinuxSystem

/// A regular file in a folder that another party has written, such as a USB stick.
///
/// Opening it follows no link and waits for nothing. So a link to a file of this machine, a device or a FIFO is not
/// read. At most the bytes are read that the file had when it was opened. Check `size` before you read it.
package final class ForeignFile {
    /// The path, for messages.
    package let path: String
    /// Size when it was opened, in bytes. A sparse file may declare any size.
    package let size: Int
    /// The open file, for a reader in another module. It is closed with the object.
    package let descriptor: Int32

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - name: its name in the folder, without a slash.
    ///   - folder: the folder. The operator named it, so it may be a link.
    /// - Throws: `SystemError`; EINVAL for a name with a slash, and for anything other than a regular file.
    package init(_ name: String, in folder: String) throws {
        let path = folder + "/" + name
        guard !name.isEmpty, name != ".", name != "..", !name.utf8.contains(where: { $0 == 0x2F || $0 == 0 }) else {
            throw ForeignFile.refused(path, "not the name of a file in the folder")
        }
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw SystemError("open \(path)") }
        defer { close(directory) }
        // O_NONBLOCK: a FIFO without a writer. O_NOCTTY: a terminal.
        let file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard file >= 0 else {
            switch errno {
            case ELOOP: throw ForeignFile.refused(path, "a link, not a regular file")
            case ENXIO: throw ForeignFile.refused(path, "a socket, not a regular file")
            case let code: throw SystemError("open \(path)", code: code)
            }
        }
        var info = stat()
        guard fstat(file, &info) == 0 else {
            let code = errno
            close(file)
            throw SystemError("open \(path)", code: code)
        }
        guard info.st_mode & S_IFMT == S_IFREG else {
            close(file)
            throw ForeignFile.refused(path, "\(ForeignFile.kind(info.st_mode)), not a regular file")
        }
        // Last, because an initializer that throws after setting all properties runs deinit.
        (self.path, size, descriptor) = (path, Int(info.st_size), file)
    }

    /// Opens a file by its path. Links in its folder are followed, and it must not be a link itself.
    ///
    /// - Throws: as the other initializer.
    package convenience init(_ path: String) throws {
        try self.init(Files.name(of: path), in: Files.folder(of: path))
    }

    deinit { close(descriptor) }

    private static func refused(_ path: String, _ cause: String) -> SystemError {
        SystemError("open \(path)", code: EINVAL, text: "it is \(cause)")
    }

    private static func kind(_ mode: mode_t) -> String {
        switch mode & S_IFMT {
        case S_IFDIR: "a folder"
        case S_IFIFO: "a FIFO"
        default: "a device"
        }
    }

    // MARK: Reading

    /// Reads the whole file.
    ///
    /// - Parameter limit: maximum size, in bytes.
    /// - Throws: `SystemError`; EFBIG for a larger file, before it is read.
    package func read(limit: Int = Files.defaultReadLimitBytes) throws -> [UInt8] {
        guard size <= limit else { throw SystemError("read \(path)", code: EFBIG) }
        var bytes: [UInt8] = []
        try readChunks { bytes += $0 }
        return bytes
    }

    /// Reads the file from its beginning, in pieces of at most 64 KiB.
    ///
    /// - Throws: `SystemError`, or the error of `body`.
    package func readChunks(_ body: (ArraySlice<UInt8>) throws -> Void) throws {
        var chunk = [UInt8](repeating: 0, count: Files.chunkBytes)
        var offset = 0
        while offset < size {
            let count = pread(descriptor, &chunk, min(chunk.count, size - offset), off_t(offset))
            if count == 0 { return }
            if count < 0 {
                guard errno == EINTR else { throw SystemError("read \(path)") }
                continue
            }
            try body(chunk[..<count])
            offset += count
        }
    }

    // MARK: Copying

    /// Copies the file to a new file. Does not sync it.
    ///
    /// - Parameters:
    ///   - target: path of the new file. It is removed if the copy fails; an existing one is replaced.
    ///   - reserveBytes: space on its disk that is left free, in bytes.
    /// - Throws: `SystemError`; ENOSPC before the copy if there is not enough space, EIO if the file became shorter.
    package func copy(to target: String, leaving reserveBytes: Int64) throws {
        try copy(to: target, leaving: reserveBytes) { write in
            var copied = 0
            try readChunks { chunk in
                try write(chunk)
                copied += chunk.count
            }
            guard copied == size else {
                throw SystemError("read \(path)", code: EIO, text: "it became shorter while it was read")
            }
        }
    }

    /// Copies the file like `copy`, with zeros for unreadable blocks (see `Files.salvage`).
    ///
    /// - Returns: `false` if blocks were unreadable.
    /// - Throws: as `copy`, apart from EIO.
    package func copyReadable(to target: String, leaving reserveBytes: Int64) throws -> Bool {
        do {
            try copy(to: target, leaving: reserveBytes)
            return true
        } catch let error as SystemError where Files.diskErrors.contains(error.code) {}
        try copy(to: target, leaving: reserveBytes) { write in
            for offset in stride(from: 0, to: size, by: Files.chunkBytes) {
                try write(Files.salvage(descriptor, at: offset, count: min(Files.chunkBytes, size - offset))[...])
            }
        }
        return false
    }

    private func copy(
        to target: String, leaving reserveBytes: Int64,
        _ body: (_ write: (ArraySlice<UInt8>) throws -> Void) throws -> Void
    ) throws {
        try Files.requireSpace(Int64(size), leaving: reserveBytes, for: target)
        unlink(target)
        try Files.withFile(target, O_WRONLY | O_CREAT | O_EXCL) { file in
            do { try body { try Files.writeAll($0, to: file, target) } } catch {
                unlink(target)
                throw error
            }
        }
    }
}
