import CZlib
import Glibc

/// Compression of a file in parts, on several threads. The parts together are one gzip member (RFC 1952): each part is
/// a sequence of complete deflate blocks that ends at a byte boundary.
extension Gzip {
    /// A compressed part in a separate file.
    package struct Part: Sendable {
        let path: String
        /// Size of the uncompressed part.
        let bytes: Int
        /// CRC-32 of the uncompressed part.
        let checksum: UInt
    }

    /// Compresses `range` of `source` into the new file `target`, which is not a complete gzip file.
    ///
    /// - Parameters:
    ///   - source: path of the file to compress.
    ///   - range: byte offsets of the part.
    ///   - isLast: whether this is the last part.
    ///   - target: path of the new file; removed on an error.
    ///   - level: compression level, 1 (fast) to 9 (small).
    /// - Returns: the part, for `join`.
    /// - Throws: `GzipError`.
    package static func compressPart(
        of source: String, _ range: Range<Int>, isLast: Bool, to target: String, level: Int32
    ) throws(GzipError) -> Part {
        var stream = z_stream()
        guard shim_deflate_init(&stream, level) == Z_OK else { throw GzipError("start compressing", detail: nil) }
        defer { deflateEnd(&stream) }
        let input = try openToRead(source)
        defer { close(input) }
        guard lseek(input, off_t(range.lowerBound), SEEK_SET) >= 0 else {
            throw GzipError("seek in \(source)", errno: errno)
        }
        let output = try create(target)
        defer { close(output) }
        var (left, checksum) = (range.count, crc32(0, nil, 0))
        do throws(GzipError) {
            let buffers = Buffers()
            defer { withExtendedLifetime(buffers) {} }
            repeat {
                let count = try left == 0 ? 0 : readSome(input, buffers.input, source)
                guard count > 0 || left == 0 else {
                    throw GzipError("read \(source)", detail: "unexpected end of file")
                }
                let used = min(left, count)
                left -= used
                checksum = crc32(checksum, buffers.input.baseAddress, UInt32(used))
                stream.next_in = buffers.input.baseAddress
                stream.avail_in = UInt32(used)
                let flush = left > 0 ? Z_NO_FLUSH : isLast ? Z_FINISH : Z_SYNC_FLUSH
                repeat {
                    stream.next_out = buffers.output.baseAddress
                    stream.avail_out = UInt32(chunkBytes)
                    deflate(&stream, flush)
                    try writeAll(output, buffers.head(chunkBytes - Int(stream.avail_out)), target)
                } while stream.avail_out == 0
            } while left > 0
        } catch {
            unlink(target)
            throw error
        }
        return Part(path: target, bytes: range.count, checksum: checksum)
    }

    /// Joins all parts to the new gzip file `target` and removes the part files. Does not sync `target`.
    ///
    /// - Parameters:
    ///   - parts: the parts in order.
    ///   - target: path of the new file; removed on an error.
    /// - Throws: `GzipError`.
    package static func join(_ parts: [Part], to target: String) throws(GzipError) {
        let output = try create(target)
        defer { close(output) }
        do throws(GzipError) {
            let buffers = Buffers()
            defer { withExtendedLifetime(buffers) {} }
            // gzip header: deflate, no flags, no time, Unix.
            try writeAll(output, buffers.head([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), target)
            var (checksum, bytes) = (crc32(0, nil, 0), 0)
            for part in parts {
                let input = try openToRead(part.path)
                defer { close(input) }
                while case let count = try readSome(input, buffers.output, part.path), count > 0 {
                    try writeAll(output, buffers.head(count), target)
                }
                unlink(part.path)
                checksum = crc32_combine(checksum, part.checksum, part.bytes)
                bytes += part.bytes
            }
            let trailer = [checksum, UInt(bytes)].flatMap { number in
                [UInt](0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
            }
            try writeAll(output, buffers.head(trailer), target)
        } catch {
            unlink(target)
            throw error
        }
    }

    /// An input chunk and an output chunk. Keep the object alive while their memory is used.
    private final class Buffers {
        let input = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: chunkBytes)
        let output = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: chunkBytes)

        deinit {
            input.deallocate()
            output.deallocate()
        }

        /// The first bytes of the output chunk.
        func head(_ count: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(output)[..<count])
        }

        func head(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
            for (index, byte) in bytes.enumerated() { output[index] = byte }
            return head(bytes.count)
        }
    }
}
