import Crypto
import FileSystem
import LinuxSystem
package import Minisign
import SQLite
import ScanModel

/// The checks of contract.md section 6, each with its own refusal reason. Used by the exporter, the installer and
/// `tapline-snapshot verify`.
package enum SnapshotVerification {
    /// Maximum size of a snapshot in bytes: forty million tags, far beyond any event. It bounds the disk space of a
    /// download.
    package static let maxBytes: Int64 = 1 << 30
    /// Maximum lag of a device clock behind the center's clock, in seconds. A snapshot created later than this is from
    /// the future. After a night without network a clock is off by a minute, not by an hour.
    package static let clockToleranceS: Int64 = 3_600

    /// Verifies the signature of a manifest and then parses it. No value of the manifest is read before that.
    ///
    /// - Parameters:
    ///   - bytes: the content of manifest.json.
    ///   - file: the content of manifest.json.minisig.
    ///   - keys: the trusted keys.
    /// - Throws: `SnapshotRefusal` malformed, format, untrusted-key, signature or oversized.
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
        // Two trusted keys may have the same number, because the creator of a key chooses it.
        guard candidates.contains(where: { signature.isValid(for: bytes, by: $0) }) else {
            throw SnapshotRefusal(.signature, "the signature does not match the manifest")
        }
        let manifest = try Manifest(json: bytes)
        guard manifest.size <= maxBytes, manifest.compressed?.size ?? 0 <= maxBytes else {
            throw SnapshotRefusal(.oversized, "\(manifest.size) bytes; at most \(maxBytes) are accepted")
        }
        return manifest
    }

    /// Checks the times of a manifest. An untrusted clock rejects nothing.
    ///
    /// - Throws: `SnapshotRefusal` expired or future.
    package static func times(of manifest: Manifest, _ clock: InstallClock) throws(SnapshotRefusal) {
        guard clock.isTrusted else { return }
        guard manifest.expires > clock.nowS else {
            throw SnapshotRefusal(.expired, "it expired \(clock.nowS - manifest.expires) s ago")
        }
        guard manifest.created <= clock.nowS + clockToleranceS else {
            throw SnapshotRefusal(.future, "it was created \(manifest.created - clock.nowS) s from now")
        }
    }

    /// Checks that a file has the bytes and the rows of the manifest. The bytes are checked before SQLite reads the
    /// file.
    ///
    /// - Throws: `SnapshotRefusal` size, hash, kind, damaged, meta, rows or content; `SystemError` or
    ///   `SQLiteError` if the disk fails.
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

    /// Checks that a file is an undamaged snapshot with the rows of the manifest, whatever its bytes. A file made
    /// by a delta has other bytes than the full file, so only its rows can be checked.
    ///
    /// - Throws: `SnapshotRefusal` kind, damaged, meta, rows or content; `SQLiteError` if the disk fails.
    package static func rows(_ path: String, _ manifest: Manifest) throws {
        do {
            let database = try Database(path, .immutable)
            let result = try database.text("PRAGMA quick_check(1)")
            guard result == "ok" else { throw SnapshotRefusal(.damaged, result ?? "quick_check gave no result") }
            try compare(Snapshot(path: path), manifest)
        } catch let error as SQLiteError where !error.isFull && !error.isDiskFailure {
            throw SnapshotRefusal(error.isDamaged ? .damaged : .kind, error.description)
        } catch let error as SnapshotError {
            throw SnapshotRefusal(.kind, error.description)
        }
    }

    private static func compare(_ snapshot: Snapshot, _ manifest: Manifest) throws {
        guard snapshot.event == manifest.event, isGiven(manifest.eventID, snapshot.eventID),
            isGiven(manifest.key, snapshot.keyFingerprint), isGiven(manifest.codeCase, snapshot.codeCase.rawValue),
            snapshot.version == manifest.version, snapshot.createdS == manifest.created,
            snapshot.expiresS == manifest.expires
        else {
            throw SnapshotRefusal(
                .meta,
                "the file is version \(snapshot.version) of \(snapshot.identity), created \(snapshot.createdS), "
                    + "expires \(snapshot.expiresS)")
        }
        let count = try snapshot.count()
        guard Int64(count) == manifest.attendees else {
            throw SnapshotRefusal(.rows, "\(count) rows instead of \(manifest.attendees)")
        }
        let content = try SnapshotContent.hash(path: snapshot.path)
        guard content == manifest.content else {
            throw SnapshotRefusal(.content, "content \(content) instead of \(manifest.content)")
        }
    }
}

/// Whether a file has an optional value of the manifest. A manifest without the value does not demand it.
private func isGiven(_ manifest: String?, _ file: String?) -> Bool { manifest == nil || manifest == file }

/// The device clock as seen by an installation.
package struct InstallClock: Sendable {
    /// Seconds since 1970.
    package let nowS: Int64
    /// `false` for a clock that was never set: it is not synchronised and earlier than possible. Such a clock cannot
    /// decide about expiry.
    package let isTrusted: Bool

    /// Earliest possible time, 2025-01-01 in seconds since 1970: no snapshot is older than this program.
    package static let earliestS: Int64 = 1_735_689_600

    /// - Parameters:
    ///   - nowS: the clock's time, in seconds since 1970.
    ///   - isSynchronised: whether the kernel reports a synchronised clock.
    ///   - knownS: a time that has certainly passed, such as `created` of the current snapshot, in seconds since 1970.
    package init(nowS: Int64, isSynchronised: Bool, knownS: Int64 = 0) {
        self.nowS = nowS
        isTrusted = isSynchronised || nowS >= max(knownS, InstallClock.earliestS)
    }

    /// The clock of this machine.
    ///
    /// - Parameter knownS: a time that has certainly passed, in seconds since 1970.
    package static func device(knownS: Int64 = 0) -> InstallClock {
        InstallClock(
            nowS: SystemClock.nowMicroseconds() / 1_000_000, isSynchronised: SystemClock.isSynchronised(),
            knownS: knownS)
    }
}
