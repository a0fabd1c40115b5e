import FileSystem
import Runtime
import SQLite
import Snapshots

/// The changesets that lead from older versions to a new one. One alone is computed, from the version before; the others are
/// those of the last manifest, joined with it.
///
/// None is listed that was not proved: applied to a copy of the file it leads from, it gives the rows of the new version,
/// `meta` included. Joined ones are made of proved ones, and proved again where that costs little. What cannot be proved is not
/// listed and said in the log; the scanners then fetch the whole file.
struct Deltas {
    /// Joined deltas of larger lists are not proved once more: a million tags take half a second each.
    static let joinedProofTags: Int64 = 100_000

    /// Up to so many rows that differ a delta is computed, of however small a list: a few megabytes of memory.
    static let fewRows = 10_000

    let folder: PublishedFolder
    /// From how many versions at most.
    let limit: Int
    private let log = Log("export")

    init(folder: PublishedFolder, limit: Int) { (self.folder, self.limit) = (folder, limit) }

    /// A delta of more rows than this is given up while the files are compared, which holds the rows in memory: with a quarter
    /// of all, it is about as long as it may be to be listed.
    static func limitRows(tags: Int64) -> Int { max(fewRows, Int(tags) / 4) }

    /// From what is published to what was built; nil without one.
    func step(from published: Manifest, to made: Manifest) -> [UInt8]? {
        guard limit > 0, published.event == made.event else { return nil }
        let old = folder.path + "/" + published.file
        do {
            guard try Files.sha256Hex(old) == published.sha256 else {
                throw ExportError(detail: "\(published.file) is not what was published")
            }
            let change = try Changeset.between(
                old, and: folder.building, limitRows: Deltas.limitRows(tags: made.attendees))
            try prove(change, on: old, gives: made)
            return change
        } catch {
            log.warning("no delta to the new snapshot", [.version: made.version, .error: "\(error)"])
            return nil
        }
    }

    /// Writes the step, and the joined deltas, the newest first. What is longer than `limitBytes` is left out.
    func list(
        _ step: [UInt8], after published: Manifest, to made: Manifest, limitBytes: Int
    ) throws -> [Manifest.Delta] {
        guard step.count <= limitBytes else { return [] }
        var deltas = [try write(step, from: published.version, to: made)]
        for earlier in published.deltas ?? [] where deltas.count < limit {
            do {
                let joined = try Changeset.joined(bytes(of: earlier), step)
                let file = folder.path + "/" + SnapshotFileName.of(earlier.from)
                if made.attendees <= Deltas.joinedProofTags, Files.exists(file) {
                    try prove(joined, on: file, gives: made)
                }
                if joined.count <= limitBytes { deltas.append(try write(joined, from: earlier.from, to: made)) }
            } catch {
                log.warning("a delta is given up", [.file: earlier.file, .error: "\(error)"])
            }
        }
        return deltas
    }

    /// Of a published delta, only if they are those that were signed: the library trusts what it parses.
    private func bytes(of delta: Manifest.Delta) throws -> [UInt8] {
        let path = folder.path + "/" + delta.file
        guard try Files.sha256Hex(path) == delta.sha256 else {
            throw ExportError(detail: "\(delta.file) is not what was published")
        }
        return try Files.read(path, limit: Int(delta.size))
    }

    private func write(_ bytes: [UInt8], from version: Int64, to made: Manifest) throws -> Manifest.Delta {
        let name = Manifest.Delta.fileName(from: version, to: made.version)
        try folder.write(bytes, as: name)
        return Manifest.Delta(
            from: version, file: name, size: Int64(bytes.count), sha256: try Files.sha256Hex(folder.path + "/" + name))
    }

    /// Applies the changeset to a copy of the file, and throws unless a scanner would install what that gives.
    private func prove(_ change: [UInt8], on file: String, gives made: Manifest) throws {
        let copy = folder.path + "/.building.proof"
        try Files.remove(copy)
        defer { try? Files.remove(copy) }
        try Files.copy(file, to: copy)
        do {
            let database = try Database(copy, .readWrite)
            // Nobody needs the copy after a crash.
            try database.execute("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF")
            try database.apply(change)
        }
        try SnapshotVerification.rows(copy, made)
    }
}
