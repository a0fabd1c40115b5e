import CZlib
package import ErrorModel
import Glibc
import LinuxSystem

/// Compression of files to gzip (RFC 1952), in parts, and expansion. Each call uses the memory of two chunks.
package enum Gzip {
    static let chunkBytes = 65_536

    /// Expands `source` into the new file `target`.
    ///
    /// - Parameters:
    ///   - source: path of the gzip file.
    ///   - target: path of the new file; removed on an error.
    ///   - limitBytes: maximum size of `target`, in bytes.
    /// - Throws: `GzipError` if `source` is not exactly one complete gzip member or expands to more than `limitBytes`.
    ///   The same error reports a file that cannot be read or written.
    package static func expand(_ source: String, to target: String, limitBytes: Int) throws(GzipError) {
        let input = try openToRead(source)
        defer { close(input) }
        try expand(input, named: source, to: target, limitBytes: limitBytes)
    }

    /// Expands an open file like `expand` of a path.
    ///
    /// - Parameters:
    ///   - input: the open gzip file, which stays open. It is read from its position.
    ///   - source: path of the gzip file, for the error.
    ///   - target: path of the new file; removed on an error.
    ///   - limitBytes: maximum size of `target`, in bytes.
    /// - Throws: as for a path.
    package static func expand(
        _ input: Int32, named source: String, to target: String, limitBytes: Int
    ) throws(GzipError) {
        let output = try create(target)
        do throws(GzipError) {
            defer { close(output) }
            try pump(input, source, limitBytes) { (piece) throws(GzipError) in try writeAll(output, piece, target) }
        } catch {
            unlink(target)
            throw error
        }
    }

    /// Expands `source` and passes its content to `body` piece by piece.
    ///
    /// - Parameters:
    ///   - source: path of the gzip file.
    ///   - limitBytes: maximum size of the content, in bytes.
    ///   - body: called with pieces of at most 64 KiB.
    /// - Throws: `GzipError` if `source` is not exactly one complete gzip member or expands to more than `limitBytes`.
    ///   The same error reports a file that cannot be read.
    package static func expand(
        _ source: String, limitBytes: Int, _ body: (ArraySlice<UInt8>) -> Void
    ) throws(GzipError) {
        let input = try openToRead(source)
        defer { close(input) }
        try pump(input, source, limitBytes) { body(Array($0)[...]) }
    }

    /// Expands a whole file into `sink`; trailing bytes and a missing end are errors.
    private static func pump(
        _ input: Int32, _ source: String, _ limitBytes: Int,
        _ sink: (UnsafeRawBufferPointer) throws(GzipError) -> Void
    ) throws(GzipError) {
        var stream = z_stream()
        guard shim_gunzip_init(&stream) == Z_OK else { throw GzipError("start expanding", detail: nil) }
        defer { inflateEnd(&stream) }
        let inBuffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: chunkBytes)
        let outBuffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: chunkBytes)
        defer {
            inBuffer.deallocate()
            outBuffer.deallocate()
        }
        var (written, ended, inputEnded) = (0, false, false)
        while !ended {
            if stream.avail_in == 0 && !inputEnded {
                let count = try readSome(input, inBuffer, source)
                inputEnded = count == 0
                stream.next_in = inBuffer.baseAddress
                stream.avail_in = UInt32(count)
            }
            stream.next_out = outBuffer.baseAddress
            stream.avail_out = UInt32(chunkBytes)
            let code = inflate(&stream, Z_NO_FLUSH)
            ended = code == Z_STREAM_END
            let made = chunkBytes - Int(stream.avail_out)
            // Z_BUF_ERROR: no progress possible. At the end of the input the stream is truncated.
            guard code == Z_OK || ended || (code == Z_BUF_ERROR && !inputEnded) else {
                let detail = stream.msg.map { String(cString: $0) } ?? "truncated stream"
                throw GzipError("read \(source)", detail: detail)
            }
            written += made
            guard written <= limitBytes else {
                throw GzipError("expand \(source)", detail: "more than \(limitBytes) bytes")
            }
            try sink(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(outBuffer)[..<made]))
        }
        let rest = try inputEnded ? 0 : readSome(input, inBuffer, source)
        guard stream.avail_in == 0, rest == 0 else {
            throw GzipError("read \(source)", detail: "bytes after the end of the stream")
        }
    }

    static func create(_ path: String) throws(GzipError) -> Int32 {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw GzipError("create \(path)", errno: errno) }
        return file
    }

    static func openToRead(_ path: String) throws(GzipError) -> Int32 {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw GzipError("open \(path)", errno: errno) }
        return file
    }

    static func readSome(
        _ file: Int32, _ buffer: UnsafeMutableBufferPointer<UInt8>, _ path: String
    ) throws(GzipError) -> Int {
        while true {
            let count = read(file, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            guard errno == EINTR else { throw GzipError("read \(path)", errno: errno) }
        }
    }

    static func writeAll(_ file: Int32, _ bytes: UnsafeRawBufferPointer, _ path: String) throws(GzipError) {
        do throws(SystemError) {
            try Descriptor.writeAll(bytes, to: file, operation: "write \(path)")
        } catch {
            throw GzipError(error.operation, errno: error.code)
        }
    }
}

/// A file that could not be compressed or expanded.
package struct GzipError: OperationError {
    /// The failed operation, for example `read PATH`.
    package let operation: String
    /// The cause.
    package let detail: String
    /// errno if the file could not be read or written; `nil` if its content is invalid.
    package let code: Int32?

    init(_ operation: String, detail: String?) {
        self.operation = operation
        self.detail = detail ?? "zlib failed"
        code = nil
    }

    init(_ operation: String, errno code: Int32) {
        self.operation = operation
        detail = String(cString: strerror(code))
        self.code = code
    }

    /// The operation and the cause.
    package var description: String { "\(operation): \(detail)" }
    /// Always `.failure`.
    package var category: ErrorCategory { .failure }
}
