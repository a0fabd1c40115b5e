import Glibc
import LinuxSystem

/// Reading from a failing disk.
extension Files {
    /// Unit of reading after a disk error, in bytes.
    private static let blockBytes = 4_096

    /// Reads a part of a file and replaces unreadable blocks of 4 KiB by zeros.
    ///
    /// - Parameters:
    ///   - path: path of the file.
    ///   - offset: offset of the first byte.
    ///   - count: number of bytes.
    /// - Returns: the bytes; fewer only at the end of the file.
    /// - Throws: `SystemError` if the file cannot be opened.
    package static func salvage(_ path: String, at offset: Int, count: Int) throws -> [UInt8] {
        let count = min(count, max(0, (status(path)?.size ?? 0) - offset))
        var bytes: [UInt8] = []
        try withFile(path, O_RDONLY) { bytes = salvage($0, at: offset, count: count) }
        return bytes
    }

    /// Reads a part of an open file like `salvage` of a path.
    ///
    /// - Returns: `count` bytes, with zeros also after the end of the file.
    static func salvage(_ file: Int32, at offset: Int, count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var at = 0
        var isBad = false
        while at < count {
            // An error of a long read does not name the bad block. After an error, read block by block.
            let most = isBad ? blockBytes - (offset + at) % blockBytes : count - at
            let length = min(most, count - at)
            let got = bytes.withUnsafeMutableBytes {
                pread(file, $0.baseAddress! + at, length, off_t(offset + at))
            }
            if got > 0 { at += got }
            if got == 0 { return bytes }
            guard got < 0, errno != EINTR else { continue }
            if isBad { at += length }
            isBad = true
        }
        return bytes
    }

    /// Reads a file in pieces like `readChunks`, with zeros for unreadable blocks (see `salvage`).
    package static func salvageChunks(_ path: String, _ body: (ArraySlice<UInt8>) throws -> Void) throws {
        let size = status(path)?.size ?? 0
        for offset in stride(from: 0, to: size, by: chunkBytes) {
            try body(salvage(path, at: offset, count: chunkBytes)[...])
        }
    }

    /// Errors of a disk that has bad blocks.
    static let diskErrors = [EIO, EUCLEAN, EBADMSG]

    /// Copies a file like `copy`, with zeros for unreadable blocks (see `salvage`).
    ///
    /// - Returns: `false` if blocks were unreadable.
    /// - Throws: `SystemError` if the file cannot be opened or the copy cannot be written.
    package static func copyReadable(_ from: String, to path: String) throws -> Bool {
        do {
            try copy(from, to: path)
            return true
        } catch let error as SystemError where diskErrors.contains(error.code) {}
        unlink(path)
        try withFile(path, O_WRONLY | O_CREAT | O_EXCL) { target in
            try salvageChunks(from) { try writeAll($0, to: target, path) }
        }
        return false
    }
}
