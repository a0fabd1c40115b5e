import FileSystem
import Glibc
import LinuxSystem

/// A separate file system for a test: small enough to be filled, or an image whose copy has the state after a power
/// cut.
///
/// Requires root for mount(8), and loop devices for an image. Without them the test fails with a message.
package final class SmallDisk {
    package enum Kind: String, Sendable, CaseIterable {
        case tmpfs
        /// On a loop device. With `commit=300` the kernel flushes no data by itself during a test.
        case ext4
    }

    private let folder = TemporaryFolder("disk")
    /// The mount point.
    package let path: String
    /// The image of an ext4 disk.
    package let image: String

    /// Makes an empty disk.
    ///
    /// - Parameter megabytes: its size in MiB.
    /// - Throws: `TestFailure`.
    package init(_ kind: Kind, megabytes: Int) throws {
        (path, image) = (try folder.folder("mounted"), folder.file("image"))
        switch kind {
        case .tmpfs: try SmallDisk.run("mount", ["-t", "tmpfs", "-o", "size=\(megabytes)m", "none", path])
        case .ext4:
            try SmallDisk.run("truncate", ["-s", "\(megabytes)M", image])
            try SmallDisk.run("mkfs.ext4", ["-q", "-F", image])
            try SmallDisk.run("mount", ["-o", "loop,commit=300", image, path])
        }
    }

    /// Mounts a copy of the image, without unflushed data.
    package init(copyOf disk: SmallDisk) throws {
        (path, image) = (try folder.folder("mounted"), folder.file("image"))
        try SmallDisk.run("cp", ["--sparse=always", disk.image, image])
        try SmallDisk.run("mount", ["-o", "loop", image, path])
    }

    deinit { _ = try? Run.it("umount", ["-l", path]) }

    /// Makes blocks of an ext4 disk unreadable, from this byte of a file on. Reads fail with the EIO of a bad block.
    ///
    /// A write to these blocks or later ones makes them readable again. The file must be flushed.
    package func breakFrom(_ byte: Int, of file: String) throws {
        // Number, first and last block in the file, first and last block on the disk.
        let map = try Run.succeeding("filefrag", ["-b1024", "-v", file])
        let extents = map.lines.filter { $0.contains("..") }.map { line in
            line.split(whereSeparator: { $0 == ":" || $0 == "." || $0 == " " }).prefix(5).compactMap { Int($0) }
        }
        guard let extent = extents.first(where: { $0.count == 5 && $0[1]...$0[2] ~= byte / 1_024 })
        else { throw TestFailure("the extents of \(file) are unknown: \(map.lines)") }
        let size = (extent[3] - extent[1]) * 1_024 + byte
        guard truncate(image, off_t(size)) == 0 else { throw SystemError("truncate \(image)") }
        let descriptor = open(file, O_RDONLY)
        defer { close(descriptor) }
        // Cached pages would hide the damage.
        guard posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0 else { throw SystemError("fadvise \(file)") }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        guard pread(descriptor, &bytes, bytes.count, off_t(byte)) < 0, errno == EIO else {
            throw TestFailure("\(file) can still be read at \(byte)")
        }
    }

    /// Fills the disk with a file.
    ///
    /// - Returns: the path of the file. Remove it to free the space.
    package func fill() throws -> String {
        let filler = path + "/filler"
        // First megabytes, then single pages, so that no page stays free.
        for block in ["1M", "4k"] {
            _ = try Run.it("dd", ["if=/dev/zero", "of=\(filler)", "bs=\(block)", "oflag=append", "conv=notrunc,fsync"])
        }
        guard let free = Files.freeBytes(path), free < 8_192 else { throw TestFailure("\(path) was not filled") }
        return filler
    }

    private static func run(_ program: String, _ arguments: [String]) throws {
        let run = try Run.it(program, arguments)
        guard run.end == .exit(0) else {
            throw TestFailure(
                "THIS TEST CANNOT RUN HERE, which counts as failed: it needs root and loop devices. \(program) "
                    + "\(arguments.joined(separator: " ")): \(run.end) \(run.errors)")
        }
    }
}
