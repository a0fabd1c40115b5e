import Crypto
import FileSystem
import LinuxSystem
import SQLite
package import Snapshots

/// Installation by a delta: a signed SQLite changeset that turns the current snapshot into the offered one.
extension SnapshotStore {
    /// The path at which the file of a delta has to be placed before `installDelta`.
    package func candidatePath(for delta: Manifest.Delta, of manifest: Manifest) -> String {
        folder + "/download-\(manifest.version).from-\(delta.from)"
    }

    /// Applies a delta to a copy of the current file, verifies the result and installs it.
    ///
    /// SQLite reads the delta only after its bytes match the manifest. The result has the rows of the full file but
    /// other bytes, so its content hash is verified. If the delta is refused, the current snapshot and all files stay
    /// unchanged.
    ///
    /// - Parameters:
    ///   - delta: the delta in the manifest of `offer`.
    ///   - offer: the snapshot to install.
    ///   - path: the downloaded file of the delta.
    /// - Returns: the version that is now installed.
    /// - Throws: the errors of `install(_:file:)`. `SnapshotRefusal` base if the delta does not apply to the current
    ///   file, or that file has changed since its installation.
    @discardableResult
    package func installDelta(_ delta: Manifest.Delta, of offer: SnapshotOffer, file path: String) throws -> Int64 {
        try withInstallLock {
            let changeset = try SnapshotStore.readVerified(delta, path)
            guard let base = current(), currentVersion() == delta.from else {
                throw SnapshotRefusal(.base, "\(delta.file) is made for version \(delta.from), which is not installed")
            }
            let candidate = candidatePath(for: offer.manifest)
            // SQLite would roll the journal of a killed application back into the new copy.
            for leftover in [candidate, candidate + "-journal"] { try Files.remove(leftover) }
            defer { try? Files.remove(candidate) }
            do {
                try Files.copy(base, to: candidate)
            } catch let error as SystemError where !error.isFull {
                throw SnapshotRefusal(.base, "the current file cannot be copied: \(error)")
            }
            if let trust = trust(), trust.version == delta.from, let sum = trust.fileSHA256,
                try Files.sha256Hex(candidate) != sum
            {
                throw SnapshotRefusal(.base, "the current file is not as it was installed")
            }
            try SnapshotStore.apply(changeset, to: candidate, offer.manifest)
            try SnapshotVerification.rows(candidate, offer.manifest)
            return try activate(offer, candidate, fileSHA256: Files.sha256Hex(candidate))
        }
    }

    /// Reads the file of a delta and checks that its bytes are the signed ones.
    private static func readVerified(_ delta: Manifest.Delta, _ path: String) throws -> [UInt8] {
        guard delta.size <= Manifest.maxDeltaBytes else {
            throw SnapshotRefusal(
                .oversized, "\(delta.file) has \(delta.size) bytes; at most \(Manifest.maxDeltaBytes) are accepted")
        }
        guard let size = Files.status(path)?.size, Int64(size) == delta.size else {
            throw SnapshotRefusal(.size, "\(delta.file) does not have the \(delta.size) bytes of the manifest")
        }
        let bytes = try Files.read(path, limit: Int(Manifest.maxDeltaBytes))
        guard Hex.encode(SHA256.hash(bytes)) == delta.sha256 else {
            throw SnapshotRefusal(.hash, "\(delta.file) differs from its SHA-256 in the manifest")
        }
        return bytes
    }

    /// Applies a changeset to a copy.
    ///
    /// No process reads the copy before it is verified, and after a crash it is made again. So nothing is synced. The
    /// rollback journal is on the disk, because in memory it could take as much as the whole snapshot.
    private static func apply(_ changeset: [UInt8], to path: String, _ manifest: Manifest) throws {
        do {
            let database = try Database(path, .readWrite)
            try database.execute("PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA trusted_schema = OFF")
            try database.transaction {
                try database.apply(changeset)
                // The exporter may leave `meta` out of a delta. The signed manifest has the same values. They are
                // compared with the file again when it is verified.
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
