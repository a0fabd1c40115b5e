import FileSystem
import Glibc
import LinuxSystem

/// Simulates a failed disk for open files of this process.
package enum BadDescriptors {
    /// The memory of the process. Reads at unmapped addresses, which include all file offsets of a database, fail with
    /// EIO; writes fail as well.
    private static let source = "/proc/self/mem"

    /// Makes all descriptors of a file fail on read and write.
    ///
    /// - Returns: the number of descriptors.
    /// - Throws: `SystemError`.
    @discardableResult
    package static func breakAll(of path: String) throws -> Int {
        let bad = open(source, O_RDONLY | O_CLOEXEC)
        guard bad >= 0 else { throw SystemError("open \(source)") }
        defer { close(bad) }
        var count = 0
        for descriptor in try Files.list("/proc/self/fd").compactMap({ Int32($0) }) where descriptor != bad {
            guard link("/proc/self/fd/\(descriptor)") == path else { continue }
            guard dup2(bad, descriptor) == descriptor else { throw SystemError("dup2") }
            count += 1
        }
        return count
    }

    private static func link(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes {
            readlink(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
