import Crypto
import FileSystem
import LinuxSystem
import SQLite
package import Snapshots

extension SnapshotStore {

    /// Where the file of a delta is to be put before `install`.
    package func candidatePath(for delta: Manifest.Delta, of manifest: Manifest) -> String {
        folder + "/download-\(manifest.version).from-\(delta.from)"
    }

    /// Step 2, the short way: applies a delta to a copy of the file in force, verifies what comes out, and puts it in force.
    ///
    /// The bytes of the delta are compared with the manifest before SQLite sees any of them. The result has the rows of the
    /// full file but not its bytes, so it is its content that is compared. What is refused leaves everything as it is.
    ///
    /// Throws as `install(_:file:)`, and `SnapshotRefusal` base where the delta does not fit the file in force, or that is
    /// not as it was installed.
    @discardableResult
    package func install(_ offer: SnapshotOffer, delta: Manifest.Delta, file path: String) throws -> Int64 {
        try locked {
            let changeset = try SnapshotStore.read(delta, path)
            guard let base = current(), currentVersion() == delta.from else {
                throw SnapshotRefusal(.base, "\(delta.file) is made for version \(delta.from), which is not in force")
            }
            let candidate = candidatePath(for: offer.manifest)
            // The journal of an apply that was killed would be rolled back into the new copy.
            for leftover in [candidate, candidate + "-journal"] { try Files.remove(leftover) }
            defer { try? Files.remove(candidate) }
            do {
                try Files.copy(base, to: candidate)
            } catch let error as SystemError where !error.isFull {
                throw SnapshotRefusal(.base, "the file in force cannot be copied: \(error)")
            }
            if let trust = trust(), trust.version == delta.from, let sum = trust.fileSHA256,
                try Files.sha256Hex(candidate) != sum
            {
                throw SnapshotRefusal(.base, "the file in force is not as it was installed")
            }
            try SnapshotStore.apply(changeset, to: candidate, offer.manifest)
            try SnapshotVerification.rows(candidate, offer.manifest)
            return try putInForce(offer, candidate, fileSHA256: Files.sha256Hex(candidate))
        }
    }

    /// The delta's bytes, which are the signed ones.
    private static func read(_ delta: Manifest.Delta, _ path: String) throws -> [UInt8] {
        guard delta.size <= Manifest.maxDeltaBytes else {
            throw SnapshotRefusal(
                .oversized, "\(delta.file) has \(delta.size) bytes; at most \(Manifest.maxDeltaBytes) are taken")
        }
        guard let size = Files.status(path)?.size, Int64(size) == delta.size else {
            throw SnapshotRefusal(.size, "\(delta.file) has not the \(delta.size) bytes of the manifest")
        }
        let bytes = try Files.read(path, limit: Int(Manifest.maxDeltaBytes))
        guard Hex.encode(SHA256.hash(bytes)) == delta.sha256 else {
            throw SnapshotRefusal(.hash, "\(delta.file) is not what the manifest says")
        }
        return bytes
    }

    /// Nobody looks at the copy before it is verified, so nothing is synced, and after a crash it is made anew. The rollback
    /// journal lies on the disk: in memory it could take as much as the whole list.
    private static func apply(_ changeset: [UInt8], to path: String, _ manifest: Manifest) throws {
        do {
            let database = try Database(path, .readWrite)
            try database.execute("PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA trusted_schema = OFF")
            try database.transaction {
                try database.apply(changeset)
                // A delta of an exporter that leaves `meta` out: the manifest, which is signed, says the same. Its values are
                // compared with the file's again when that is verified.
                for (key, value) in manifest.meta
                where try database.text("SELECT value FROM meta WHERE key = ?", .text(key)) != value {
                    try database.prepare("INSERT OR REPLACE INTO meta(key, value) VALUES (?, ?)")
                        .run(.text(key), .text(value))
                }
            }
        } catch let error as SQLiteError where !error.isFull && !error.isDiskFailure {
            throw SnapshotRefusal(.base, "the delta cannot be applied: \(error)")
        }
    }
}

extension Manifest {
    /// The rows of `meta`.
    fileprivate var meta: KeyValuePairs<String, String> {
        ["created": String(created), "event": event, "expires": String(expires), "version": String(version)]
    }
}
