import Compression
import Crypto
import FileSystem
import Snapshots

/// Makes all files that the manifest names from a finished snapshot file. They are not published yet.
extension PublishedFolder {
    /// Verifies the finished file as a scanner does, and compresses it at the same time. Then makes the deltas, and
    /// gives all files their final names, durably.
    ///
    /// - Parameters:
    ///   - made: the manifest of the finished file, without compressed file and deltas.
    ///   - published: the manifest that is published now.
    ///   - limit: maximum number of deltas.
    /// - Returns: the complete manifest.
    /// - Throws: `SnapshotRefusal` if a scanner would not install the file; `GzipError`, `SystemError`,
    ///   `SnapshotExportError`.
    func package(_ made: Manifest, after published: Manifest?, deltas limit: Int) throws -> Manifest {
        var manifest = made
        let deltas = Deltas(folder: self, limit: limit)
        let compressing = BackgroundTask("compress") { try compress(expecting: made) }
        let comparing = BackgroundTask("delta") { published.flatMap { deltas.changeset(from: $0, to: made) } }
        // Wait for both tasks also after an error: the lock on the folder is released afterwards.
        defer {
            compressing.wait()
            comparing.wait()
        }
        try SnapshotVerification.file(building, made)
        let compressed = try compressing.result()
        manifest.compressed = compressed
        if let published, let changeset = try comparing.result() {
            // A longer delta saves little, and scanners reject deltas above `maxDeltaBytes`.
            let limitBytes = Int(min(compressed.size / 2, Manifest.maxDeltaBytes))
            manifest.deltas = try deltas.write(
                newest: changeset, from: published, to: made, limitBytes: limitBytes)
        }
        try nameFinished(manifest)
        return manifest
    }

    /// Number of parts that are compressed in parallel. Each needs the memory of two chunks.
    private static let compressedParts = 4
    /// Tag IDs are random and compress badly. The next level takes 1.5 times as long and saves 1 %, the highest takes 4
    /// times as long.
    private static let compressionLevel: Int32 = 5

    /// Compresses the finished file durably, and verifies that the result expands to it.
    private func compress(expecting manifest: Manifest) throws -> Manifest.Package {
        let size = Int(manifest.size)
        let count = PublishedFolder.compressedParts
        let tasks = (0..<count).map { index in
            BackgroundTask("compress") { [building, buildingPackage] in
                try Gzip.compressPart(
                    of: building, size * index / count..<size * (index + 1) / count, isLast: index == count - 1,
                    to: buildingPackage + ".\(index)", level: PublishedFolder.compressionLevel)
            }
        }
        defer { for task in tasks { task.wait() } }
        try Gzip.join(tasks.map { try $0.result() }, to: buildingPackage)
        var hash = SHA256()
        try Gzip.expand(buildingPackage, limitBytes: size) { hash.update($0) }
        guard Hex.encode(hash.finish()) == manifest.sha256 else {
            throw SnapshotExportError.invalidContent("the compressed snapshot does not expand to its source")
        }
        try Files.sync(buildingPackage)
        return Manifest.Package(
            file: manifest.file + ".gz", size: Int64(Files.status(buildingPackage)?.size ?? 0),
            sha256: try Files.sha256Hex(buildingPackage))
    }

    /// Writes a delta. Its content is durable; its name becomes durable with the next durable rename in the folder.
    func write(_ bytes: [UInt8], as name: String) throws {
        let building = path + "/.building.delta"
        try Files.writeAtomically(bytes, to: building, durable: false)
        try Files.sync(building)
        try Files.rename(building, to: path + "/" + name, durable: false)
    }

    /// Renames the finished files to their final names, durably; this also makes the names of the deltas durable.
    private func nameFinished(_ manifest: Manifest) throws {
        if let compressed = manifest.compressed {
            try Files.rename(buildingPackage, to: path + "/" + compressed.file, durable: false)
        }
        try Files.rename(building, to: path + "/" + manifest.file)
    }
}
