import Crypto
import FileSystem
import LinuxSystem
package import Minisign
import SQLite

/// The checks of SPEC.md section 6, each refusal with its own reason. Who publishes, who installs and `tapline-snapshot
/// verify` all come through here.
package enum SnapshotVerification {
    /// Largest snapshot that is taken: forty million tags, far beyond any event, and a bound on what a download may fill.
    package static let maxBytes: Int64 = 1 << 30
    /// How far a device clock may lag behind the center's before a snapshot counts as from the future: it is off for a
    /// minute after a night without network, not for an hour. Seconds.
    package static let clockToleranceS: Int64 = 3_600

    /// The manifest, once its signature is one of a trusted key over exactly these bytes. Nothing is read from it before.
    ///
    /// Throws `SnapshotRefusal`: malformed, format, untrusted-key, signature, oversized.
    package static func manifest(
        _ bytes: [UInt8], signature file: [UInt8], keys: [MinisignPublicKey]
    ) throws(SnapshotRefusal) -> Manifest {
        guard bytes.count <= Manifest.maxBytes, file.count <= Manifest.maxBytes else {
            throw SnapshotRefusal(.malformed, "the manifest or its signature is over \(Manifest.maxBytes) bytes")
        }
        guard let signature = MinisignSignature(file: file) else {
            throw SnapshotRefusal(.malformed, "the signature is not in minisign's format")
        }
        let candidates = keys.filter { $0.number == signature.keyNumber }
        guard !candidates.isEmpty else {
            throw SnapshotRefusal(
                .untrustedKey,
                "signed by key \(MinisignPublicKey.id(of: signature.keyNumber)), which is not trusted here")
        }
        // Two trusted keys may bear one number: numbers are chosen by whoever makes the key.
        guard candidates.contains(where: { signature.isValid(for: bytes, by: $0) }) else {
            throw SnapshotRefusal(.signature, "the signature does not match the manifest")
        }
        let manifest = try Manifest(json: bytes)
        guard manifest.size <= maxBytes, manifest.compressed?.size ?? 0 <= maxBytes else {
            throw SnapshotRefusal(.oversized, "\(manifest.size) bytes; at most \(maxBytes) are taken")
        }
        return manifest
    }

    /// Throws `SnapshotRefusal`: expired or future. A clock that is not to be trusted refuses nothing.
    package static func times(of manifest: Manifest, _ clock: InstallClock) throws(SnapshotRefusal) {
        guard clock.isTrusted else { return }
        guard manifest.expires > clock.nowS else {
            throw SnapshotRefusal(.expired, "it expired \(clock.nowS - manifest.expires) s ago")
        }
        guard manifest.created <= clock.nowS + clockToleranceS else {
            throw SnapshotRefusal(.future, "it was created \(manifest.created - clock.nowS) s from now")
        }
    }

    /// That the file is the one that the manifest speaks of, byte by byte and row by row. Its bytes are compared before
    /// SQLite reads any of them.
    ///
    /// Throws `SnapshotRefusal`: size, hash, kind, damaged, meta, rows, content; `SystemError` when it cannot be read.
    package static func file(_ path: String, _ manifest: Manifest) throws {
        guard let status = Files.status(path) else { throw SnapshotRefusal(.size, "\(path): no such file") }
        guard Int64(status.size) == manifest.size else {
            throw SnapshotRefusal(.size, "\(status.size) bytes instead of \(manifest.size)")
        }
        let sum = try Hex.encode(Files.sha256(path))
        guard sum == manifest.sha256 else {
            throw SnapshotRefusal(.hash, "SHA-256 \(sum) instead of \(manifest.sha256)")
        }
        try rows(path, manifest)
    }

    /// That the file is a sound snapshot with the rows that the manifest speaks of, whatever its bytes: all that can be said
    /// of one that a delta gave.
    ///
    /// Throws `SnapshotRefusal`: kind, damaged, meta, rows, content; `SystemError` when it cannot be read.
    package static func rows(_ path: String, _ manifest: Manifest) throws {
        let snapshot: Snapshot
        do {
            let database = try Database(path, .immutable)
            let verdict = try database.text("PRAGMA quick_check(1)")
            guard verdict == "ok" else { throw SnapshotRefusal(.damaged, verdict ?? "quick_check says nothing") }
            snapshot = try Snapshot(path: path)
        } catch let error as SQLiteError {
            throw SnapshotRefusal(error.isDamaged ? .damaged : .kind, error.description)
        } catch let error as SnapshotError {
            throw SnapshotRefusal(.kind, error.description)
        }
        guard snapshot.event == manifest.event, snapshot.version == manifest.version,
            snapshot.createdS == manifest.created, snapshot.expiresS == manifest.expires
        else {
            throw SnapshotRefusal(
                .meta,
                "the file is version \(snapshot.version) of '\(snapshot.event)', created \(snapshot.createdS), "
                    + "expires \(snapshot.expiresS)")
        }
        let count = try snapshot.count()
        guard Int64(count) == manifest.attendees else {
            throw SnapshotRefusal(.rows, "\(count) rows instead of \(manifest.attendees)")
        }
        let content = try SnapshotContent.hash(path: path)
        guard content == manifest.content else {
            throw SnapshotRefusal(.content, "content \(content) instead of \(manifest.content)")
        }
    }
}

/// The device clock, and what is known of it.
package struct InstallClock: Sendable {
    /// Seconds since 1970.
    package let nowS: Int64
    /// False for a clock that nobody set: not synchronised, and earlier than it can be. It says nothing about expiry.
    package let isTrusted: Bool

    /// No snapshot was made before this program: 2025-01-01.
    static let earliestS: Int64 = 1_735_689_600

    /// - Parameters:
    ///   - nowS: seconds since 1970.
    ///   - knownS: a time that has certainly passed, such as `created` of the snapshot in force.
    package init(nowS: Int64, isSynchronised: Bool, knownS: Int64 = 0) {
        self.nowS = nowS
        isTrusted = isSynchronised || nowS >= max(knownS, InstallClock.earliestS)
    }

    /// The clock of this machine.
    package static func device(knownS: Int64 = 0) -> InstallClock {
        InstallClock(
            nowS: SystemClock.nowMicroseconds() / 1_000_000, isSynchronised: SystemClock.isSynchronised(),
            knownS: knownS)
    }
}
