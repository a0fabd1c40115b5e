import FileSystem
import Runtime
import SQLite
import Snapshots

/// Makes the changesets that lead from older versions to a new one.
///
/// Only the changeset from the previous version is computed. The others are the changesets of the last manifest, joined
/// with it.
///
/// Only verified changesets are listed: applied to a copy of the old file, they give the rows of the new version,
/// including `meta`. Joined changesets consist of verified ones, and are verified again if the list is small. A
/// changeset that fails the verification is logged and left out; scanners then download the full file.
struct Deltas {
    /// Joined changesets of larger lists are not verified again: that takes half a second for a million tags.
    static let joinedCheckTags: Int64 = 100_000

    /// Minimum of the limit on differing rows, in rows, also for a small list. They need a few megabytes of memory.
    static let fewRows = 10_000

    let folder: PublishedFolder
    /// Maximum number of older versions with a delta.
    let limit: Int
    private let log = Log("export")

    /// Returns the maximum number of differing rows.
    ///
    /// The comparison holds the differing rows in memory. It is cancelled above a quarter of all rows: the changeset
    /// would then be too long to be listed.
    static func limitRows(tags: Int64) -> Int { max(fewRows, Int(tags) / 4) }

    /// Returns the verified changeset from the published snapshot to the new file, or `nil` if none can be made.
    func changeset(from published: Manifest, to made: Manifest) -> [UInt8]? {
        guard limit > 0, published.identity.isSame(as: made.identity) else { return nil }
        let old = folder.path + "/" + published.file
        do {
            guard try Files.sha256Hex(old) == published.sha256 else {
                throw SnapshotExportError.invalidContent("\(published.file) differs from the published file")
            }
            let change = try Changeset.between(
                old, and: folder.building, limitRows: Deltas.limitRows(tags: made.attendees))
            try verify(change, on: old, gives: made)
            return change
        } catch {
            log.warning("delta not created", [.version: made.version, .error: "\(error)"])
            return nil
        }
    }

    /// Writes the deltas to the folder.
    ///
    /// - Parameters:
    ///   - newest: the changeset from `published`.
    ///   - limitBytes: longer deltas are left out.
    /// - Returns: the deltas, those from the newest versions first.
    /// - Throws: `SystemError`.
    func write(
        newest: [UInt8], from published: Manifest, to made: Manifest, limitBytes: Int
    ) throws -> [Manifest.Delta] {
        guard newest.count <= limitBytes else { return [] }
        var deltas = [try write(newest, from: published.version, to: made)]
        for earlier in published.deltas ?? [] where deltas.count < limit {
            do {
                let joined = try Changeset.joined(bytes(of: earlier), newest)
                let file = folder.path + "/" + SnapshotFileName.of(earlier.from)
                if made.attendees <= Deltas.joinedCheckTags, Files.exists(file) {
                    try verify(joined, on: file, gives: made)
                }
                if joined.count <= limitBytes { deltas.append(try write(joined, from: earlier.from, to: made)) }
            } catch {
                log.warning("delta dropped", [.file: earlier.file, .error: "\(error)"])
            }
        }
        return deltas
    }

    /// Reads a published delta, and checks its hash first: SQLite does not validate the changesets that it parses.
    private func bytes(of delta: Manifest.Delta) throws -> [UInt8] {
        let path = folder.path + "/" + delta.file
        guard try Files.sha256Hex(path) == delta.sha256 else {
            throw SnapshotExportError.invalidContent("\(delta.file) differs from the published file")
        }
        return try Files.read(path, limit: Int(delta.size))
    }

    private func write(_ bytes: [UInt8], from version: Int64, to made: Manifest) throws -> Manifest.Delta {
        let name = Manifest.Delta.fileName(from: version, to: made.version)
        try folder.write(bytes, as: name)
        return Manifest.Delta(
            from: version, file: name, size: Int64(bytes.count), sha256: try Files.sha256Hex(folder.path + "/" + name))
    }

    /// Applies the changeset to a copy of the file, and verifies the result as a scanner does.
    ///
    /// - Throws: `SnapshotRefusal`, `SQLiteError`, `SystemError`.
    private func verify(_ change: [UInt8], on file: String, gives made: Manifest) throws {
        let copy = folder.path + "/.building.proof"
        try Files.remove(copy)
        defer { try? Files.remove(copy) }
        try Files.copy(file, to: copy)
        do {
            let database = try Database(copy, .readWrite)
            // The copy is not needed after a crash.
            try database.execute("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF")
            try database.apply(change)
        }
        try SnapshotVerification.rows(copy, made)
    }
}
