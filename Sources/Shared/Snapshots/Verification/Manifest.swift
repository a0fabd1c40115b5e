import FileSystem
import FoundationEssentials
import ScanModel

/// `manifest.json`, which names the newest snapshot of an event (contract.md section 6).
package struct Manifest: Codable, Hashable, Sendable {
    /// Maximum size of a delta in bytes. It is held in memory: about 400,000 changed tags at 34 to 38 bytes each.
    package static let maxDeltaBytes: Int64 = 16 << 20

    /// The format number that this program writes and reads.
    package static let format = 1
    /// Maximum size of a manifest in bytes. It holds a dozen short values and one entry per delta.
    package static let maxBytes = 65_536
    /// File name in the published folder.
    package static let fileName = "manifest.json"
    /// File name of the signature, in the same folder.
    package static let signatureFileName = "manifest.json.minisig"

    /// A file that holds the snapshot in another form.
    package struct Package: Codable, Hashable, Sendable {
        /// Plain file name, in the folder of the manifest.
        package var file: String
        /// Size in bytes.
        package var size: Int64
        /// Lower-case hexadecimal.
        package var sha256: String

        /// Creates an entry.
        ///
        /// - Parameters:
        ///   - file: plain file name.
        ///   - size: size in bytes.
        ///   - sha256: SHA-256 of the file, lower-case hexadecimal.
        package init(file: String, size: Int64, sha256: String) {
            self.file = file
            self.size = size
            self.sha256 = sha256
        }
    }

    /// A SQLite changeset that turns the snapshot of version `from` into this one.
    package struct Delta: Codable, Hashable, Sendable {
        /// The version that the delta applies to.
        package var from: Int64
        /// Plain file name: `fileName(from:to:)`.
        package var file: String
        /// Size in bytes.
        package var size: Int64
        /// Lower-case hexadecimal.
        package var sha256: String

        /// Creates an entry.
        ///
        /// - Parameters:
        ///   - from: the version that the delta applies to.
        ///   - file: plain file name.
        ///   - size: size in bytes.
        ///   - sha256: SHA-256 of the file, lower-case hexadecimal.
        package init(from: Int64, file: String, size: Int64, sha256: String) {
            self.from = from
            self.file = file
            self.size = size
            self.sha256 = sha256
        }

        /// `delta-<from>-<to>.changeset`
        package static func fileName(from: Int64, to: Int64) -> String { "delta-\(from)-\(to).changeset" }
    }

    /// Format number of this manifest.
    package var format = Manifest.format
    /// The event's name, which may change.
    package var event: String
    /// The event's UUID in lower case; `nil` without one. Manifests of older programs lack the key.
    package var eventID: String?
    /// `EventKey.fingerprint` of the event; `nil` if it is not known. Manifests of older programs lack the key.
    package var key: String?
    /// How codes are compared: `exact` or `fold`. Manifests of older programs lack the key, which means `exact`.
    package var codeCase: String?
    /// Version of the snapshot, from 1; higher for each publication.
    package var version: Int64
    /// Seconds since 1970.
    package var created: Int64
    /// Seconds since 1970.
    package var expires: Int64
    /// `snapshot-<version>.sqlite`
    package var file: String
    /// Size of the file in bytes.
    package var size: Int64
    /// SHA-256 of the file, lower-case hexadecimal.
    package var sha256: String
    /// `SnapshotContent.hash`: the hash of the rows, independent of the bytes of the file.
    package var content: String
    /// Number of rows in `attendees`: tags, not people.
    package var attendees: Int64
    /// The same file compressed with gzip.
    package var compressed: Package?
    /// Deltas from older versions to this one, the newest first. Manifests of older programs lack the key.
    package var deltas: [Delta]? = []

    private enum CodingKeys: String, CodingKey {
        case format, event, key, version, created, expires, file, size, sha256, content, attendees, compressed, deltas
        case eventID = "event_id"
        case codeCase = "code_case"
    }

    /// The event's UUID and name.
    package var identity: EventIdentity { EventIdentity(name: event, id: eventID) }

    /// Creates a manifest without deltas. The name of the file follows from the version.
    ///
    /// - Parameters:
    ///   - event: the event's name.
    ///   - version: version of the snapshot, from 1.
    ///   - created: seconds since 1970.
    ///   - expires: seconds since 1970, after `created`.
    ///   - size: size of the file in bytes.
    ///   - sha256: SHA-256 of the file, lower-case hexadecimal.
    ///   - content: `SnapshotContent.hash` of the file.
    ///   - attendees: number of rows in `attendees`.
    ///   - compressed: the same file compressed with gzip; `nil` without one.
    package init(
        event: String, version: Int64, created: Int64, expires: Int64, size: Int64, sha256: String, content: String,
        attendees: Int64, compressed: Package? = nil
    ) {
        self.event = event
        self.version = version
        self.created = created
        self.expires = expires
        file = SnapshotFileName.of(version)
        self.size = size
        self.sha256 = sha256
        self.content = content
        self.attendees = attendees
        self.compressed = compressed
    }

    /// Creates the manifest of a finished snapshot file. Reads the whole file.
    ///
    /// - Throws: `SnapshotError`, `SQLiteError` or `SystemError`.
    package init(describing path: String, compressed: Package? = nil) throws {
        let snapshot = try Snapshot(path: path)
        self.init(
            event: snapshot.event, version: snapshot.version, created: snapshot.createdS, expires: snapshot.expiresS,
            size: Int64(Files.status(path)?.size ?? 0), sha256: try Files.sha256Hex(path),
            content: try SnapshotContent.hash(path: path), attendees: Int64(try snapshot.count()),
            compressed: compressed)
        eventID = snapshot.eventID
        key = snapshot.keyFingerprint
        codeCase = snapshot.codeCase.rawValue
    }

    /// The rows of the table `meta` in the snapshot file, in order of their keys.
    package var meta: [(key: String, value: String)] {
        let rows = [
            ("code_case", codeCase), ("created", String(created)), ("event", event), ("event_id", eventID),
            ("expires", String(expires)), ("key", key), ("version", String(version)),
        ]
        return rows.compactMap { key, value in value.map { (key, $0) } }
    }

    /// Returns whether the values of the event are equal: its UUID, name, key and comparison of codes.
    package func hasEventOf(_ other: Manifest) -> Bool {
        identity == other.identity && key == other.key && codeCase == other.codeCase
    }

    /// Parses and checks a manifest.
    ///
    /// - Throws: `SnapshotRefusal` malformed, or format for one that this program does not know.
    package init(json bytes: [UInt8]) throws(SnapshotRefusal) {
        guard bytes.count <= Manifest.maxBytes else {
            throw SnapshotRefusal(.malformed, "the manifest is over \(Manifest.maxBytes) bytes")
        }
        struct Head: Decodable { var format: Int }
        let decoder = JSONDecoder()
        do {
            let data = Data(bytes)
            let head = try decoder.decode(Head.self, from: data)
            guard head.format == Manifest.format else {
                throw SnapshotRefusal(.format, "manifest format \(head.format), this program reads \(Manifest.format)")
            }
            self = try decoder.decode(Manifest.self, from: data)
        } catch let refusal as SnapshotRefusal {
            throw refusal
        } catch {
            throw SnapshotRefusal(.malformed, "the manifest cannot be parsed: \(error)")
        }
        try check()
    }

    /// The bytes that are signed and published: sorted keys, an indent of two spaces, a newline at the end.
    package func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
    }

    /// All files that it names. A publisher must keep them.
    package var files: [String] { [file] + (compressed.map { [$0.file] } ?? []) + (deltas ?? []).map(\.file) }

    /// Checks all values, because they become part of paths, of allocation sizes and of sums.
    private func check() throws(SnapshotRefusal) {
        func demand(_ condition: Bool, _ detail: @autoclosure () -> String) throws(SnapshotRefusal) {
            guard condition else { throw SnapshotRefusal(.malformed, detail()) }
        }
        try demand((1..<Bounds.uint).contains(version), "version \(version)")
        try demand(file == SnapshotFileName.of(version), "the file of version \(version) cannot be '\(file)'")
        try demand(eventID.map(EventIdentity.isID) ?? true, "event_id '\(eventID ?? "")' is not a UUID")
        try demand(key.map(EventKey.isFingerprint) ?? true, "key '\(key ?? "")' is not a fingerprint")
        try demand(
            Bounds.timesS.contains(created) && Bounds.timesS.contains(expires) && expires > created,
            "created \(created), expires \(expires)")
        try demand((0..<Bounds.uint).contains(attendees), "attendees \(attendees)")
        for delta in deltas ?? [] {
            try demand((0..<Bounds.uint).contains(delta.from), "a delta from version \(delta.from)")
        }
        try demand(Manifest.isDigest(content), "content '\(content)' is not a SHA-256")
        let packages =
            [Package(file: file, size: size, sha256: sha256)] + (compressed.map { [$0] } ?? [])
            + (deltas ?? []).map { Package(file: $0.file, size: $0.size, sha256: $0.sha256) }
        for package in packages {
            try demand(Manifest.isPlainName(package.file), "'\(package.file)' is not a plain file name")
            try demand((1..<Bounds.uint).contains(package.size), "\(package.file) of \(package.size) bytes")
            try demand(Manifest.isDigest(package.sha256), "'\(package.sha256)' is not a SHA-256")
        }
    }

    private static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    private static func isPlainName(_ name: String) -> Bool {
        let bytes = name.utf8
        return (1...200).contains(bytes.count) && bytes.first != UInt8(ascii: ".")
            && bytes.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 46
                    || $0 == 95
            }
    }
}
