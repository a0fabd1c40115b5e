import Compression
import Crypto
import FileSystem
import Snapshots

/// From a finished file to all that the manifest names. Nothing of it is published yet.
extension PublishedFolder {
    /// Verifies what is built as a scanner would, and meanwhile compresses it; makes the deltas; gives everything its name,
    /// durably. Gives the whole manifest.
    ///
    /// Throws `SnapshotRefusal` for a file that no scanner would install, `GzipError`, `SystemError`, `ExportError`.
    ///
    /// - Parameters:
    ///   - made: what the file is; says nothing of packages yet.
    ///   - published: what is published now.
    ///   - limit: of deltas.
    func package(_ made: Manifest, after published: Manifest?, deltas limit: Int) throws -> Manifest {
        var manifest = made
        let deltas = Deltas(folder: self, limit: limit)
        let compressing = BackgroundTask("compress") { try compress(expecting: made) }
        let stepping = BackgroundTask("delta") { published.flatMap { deltas.step(from: $0, to: made) } }
        // Whatever happens here: nothing is left running in a folder that is no longer ours.
        defer {
            compressing.finish()
            stepping.finish()
        }
        try SnapshotVerification.file(building, made)
        let compressed = try compressing.result()
        manifest.compressed = compressed
        if let published, let step = try stepping.result() {
            // A longer one saves little, or is not taken by scanners.
            let limitBytes = Int(min(compressed.size / 2, Manifest.maxDeltaBytes))
            manifest.deltas = try deltas.list(step, after: published, to: made, limitBytes: limitBytes)
        }
        try nameFinished(manifest)
        return manifest
    }

    /// Parts that are compressed side by side, each with the memory of two chunks.
    private static let compressedParts = 4
    /// Tag IDs are random: the next level takes half as long again for a hundredth, the highest four times as long.
    private static let compressionLevel: Int32 = 5

    /// Compresses what is built, durably, and proves that it expands to what the manifest says.
    private func compress(expecting manifest: Manifest) throws -> Manifest.Package {
        let (size, count) = (Int(manifest.size), PublishedFolder.compressedParts)
        let works = (0..<count).map { index in
            BackgroundTask("compress") { [building, buildingPackage] in
                try Gzip.compressPart(
                    of: building, size * index / count..<size * (index + 1) / count, isLast: index == count - 1,
                    to: buildingPackage + ".\(index)", level: PublishedFolder.compressionLevel)
            }
        }
        defer { for work in works { work.finish() } }
        try Gzip.join(works.map { try $0.result() }, to: buildingPackage)
        var hash = SHA256()
        try Gzip.expand(buildingPackage, limitBytes: size) { hash.update($0) }
        guard Hex.encode(hash.finish()) == manifest.sha256 else {
            throw ExportError(detail: "the compressed snapshot does not expand to its source")
        }
        try Files.sync(buildingPackage)
        return Manifest.Package(
            file: manifest.file + ".gz", size: Int64(Files.status(buildingPackage)?.size ?? 0),
            sha256: try Files.sha256Hex(buildingPackage))
    }

    /// Writes a delta, durably but for its name.
    func write(_ bytes: [UInt8], as name: String) throws {
        let building = path + "/.building.delta"
        try Files.writeAtomically(bytes, to: building, durable: false)
        try Files.sync(building)
        try Files.rename(building, to: path + "/" + name, durable: false)
    }

    /// Gives what was built the names that the manifest will name, durably; the deltas' names with them.
    private func nameFinished(_ manifest: Manifest) throws {
        if let compressed = manifest.compressed {
            try Files.rename(buildingPackage, to: path + "/" + compressed.file, durable: false)
        }
        try Files.rename(building, to: path + "/" + manifest.file)
    }
}
