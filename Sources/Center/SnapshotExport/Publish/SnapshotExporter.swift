import FileSystem
import LinuxSystem
package import Minisign
import Postgres
package import Runtime
import Schema
package import Snapshots

/// Makes a snapshot of the registration list and publishes it in a folder, for HTTP downloads and offline delivery.
///
/// The list is read in one REPEATABLE READ READ ONLY transaction, so the snapshot is consistent. It is verified as a
/// scanner does before anything names it; the manifest is replaced last. A crash at any point leaves the last snapshot
/// published, and the next export continues from there.
package struct SnapshotExporter: Sendable {
    /// Destination, signing key and rules of an export.
    package struct Settings: Sendable {
        /// The folder to publish in. It is created if missing.
        package var folder: String
        /// Signs the manifest.
        package var key: MinisignSecretKey
        /// Name of the event, for a database that has none yet; `nil`: the name in the database.
        package var event: String?
        /// Period in which scanners may install the snapshot, in seconds.
        package var expiresInS: Int64 = SnapshotExporter.defaultExpiresInS
        /// Number of versions that stay in the folder, including the new one.
        package var keep = SnapshotExporter.defaultKeep
        /// Maximum number of older versions with a delta to the new one.
        package var deltas = SnapshotExporter.defaultDeltas
        /// Whether a list without tags is published.
        package var allowEmpty = true
        /// Whether a list with far fewer tags, or active tags, than before is published.
        package var allowShrink = false
        /// Oldest acceptable creation time of the published snapshot, in seconds since 1970.
        ///
        /// The oldest creation time, in seconds since 1970, of a published snapshot that may stay. It stays if it has
        /// the same content and half of its lifetime is left. `nil`: a new version is always made.
        package var freshSinceS: Int64?
        /// Whether scanners download from the folder.
        ///
        /// `nil`: decided by the database. A folder that a center serves counts as published. Where no center serves
        /// one, it is the folder of the last publication, or else this one.
        package var isPublished: Bool?
        /// The clock of this machine, in seconds since 1970. It is compared with that of the database.
        var machineClockS: @Sendable () -> Int64 = { SystemClock.nowMicroseconds() / 1_000_000 }
        /// Maximum time to wait for another export, in milliseconds.
        package var lockWaitMs = 60_000
        /// Receives the progress often, on the thread that exports.
        package var progress: (@Sendable (ExportProgress) -> Void)?

        /// Settings with the defaults of all other properties.
        ///
        /// - Parameters:
        ///   - folder: the folder to publish in.
        ///   - key: signs the manifest.
        package init(folder: String, key: MinisignSecretKey) {
            self.folder = folder
            self.key = key
        }
    }

    /// The result of an export.
    package struct Outcome: Sendable, Equatable {
        /// The manifest that is published now.
        package let manifest: Manifest
        /// `false` if the published snapshot was current already (`Settings.freshSinceS`).
        package let isNew: Bool
        /// The folders that scanners download from, if the snapshot was only written to another one; `nil` if it is
        /// published.
        package let publishedElsewhere: [String]?
    }

    /// Two days: if a center misses one nightly export, the snapshot is still valid.
    package static let defaultExpiresInS: Int64 = 48 * 3_600
    /// One week of nightly exports.
    package static let defaultKeep = 7
    /// Under continuous changes, a scanner that missed two checks still finds a delta from its version. Each delta adds
    /// about 200 bytes to the manifest.
    package static let defaultDeltas = 10
    /// A manifest must stay under 64 KiB, and a delta needs up to 250 bytes.
    package static let deltasRange = 0...100
    /// Maximum duration of a statement, in milliseconds. A list of a million tags is read in seconds; a lock can delay
    /// it.
    static let statementTimeoutMs = 600_000

    private let databaseURL: String
    private let settings: Settings
    private let folder: PublishedFolder
    private let log = Log("export")

    /// An exporter. Does not connect yet.
    ///
    /// - Parameters:
    ///   - databaseURL: connection string or URL, in libpq's format.
    ///   - settings: destination, signing key and rules.
    package init(databaseURL: String, _ settings: Settings) {
        self.databaseURL = databaseURL
        self.settings = settings
        folder = PublishedFolder(path: settings.folder)
    }

    /// Checks a database URL without connecting.
    ///
    /// - Parameters:
    ///   - databaseURL: connection string or URL, in libpq's format.
    ///   - allowsInsecure: whether the database may be another machine whose certificate is not verified.
    /// - Throws: `SnapshotExportError.database` if libpq rejects the URL, otherwise `databaseInsecure`.
    package static func validate(databaseURL: String, allowsInsecure: Bool) throws {
        do throws(PostgresError) {
            if allowsInsecure {
                try PostgresConnection.validate(url: databaseURL)
            } else {
                try PostgresConnection.requireProtection(url: databaseURL)
            }
        } catch {
            throw error.code == .insecure
                ? SnapshotExportError.databaseInsecure(error.description) : SnapshotExportError(error)
        }
    }

    /// Checks that the user of the database has all rights of the role for exports.
    ///
    /// - Throws: `GrantsMissing`; `SnapshotExportError`.
    package func requireGrants() throws {
        do {
            let connection = try PostgresConnection(url: databaseURL, applicationName: "tapline-snapshot")
            try RoleGrants(connection).require(.export)
        } catch let error as PostgresError {
            throw SnapshotExportError(error)
        }
    }

    /// Exports once.
    ///
    /// - Parameter stop: cancels the export between two steps; the last snapshot stays published.
    /// - Returns: the published manifest.
    /// - Throws: `SnapshotExportError`; `ExportRejection` if the list is empty or has shrunk and that is not allowed;
    ///   `SnapshotRefusal` if the new file does not verify; `SystemError` and `SQLiteError` for the disk.
    package func run(_ stop: StopSignal = StopSignal()) throws -> Outcome {
        let began = SystemClock.monotonicMs()
        folder.repairIfIdle(trusting: settings.key.publicKey)
        do {
            let connection = try PostgresConnection(
                url: databaseURL, statementTimeoutMs: SnapshotExporter.statementTimeoutMs,
                applicationName: "tapline-snapshot")
            let outcome = try export(connection, stop)
            let manifest = outcome.manifest
            log.info(
                !outcome.isNew
                    ? "no change since the last snapshot"
                    : outcome.publishedElsewhere == nil ? "snapshot published" : "snapshot written, not published",
                [
                    .version: manifest.version, .event: manifest.event, .count: manifest.attendees,
                    .bytes: manifest.size, .folder: settings.folder, .durationMs: SystemClock.monotonicMs() - began,
                ])
            return outcome
        } catch let error as PostgresError {
            throw SnapshotExportError(error)
        }
    }

    private func export(_ connection: PostgresConnection, _ stop: StopSignal) throws -> Outcome {
        try Files.makeFolder(folder.path)
        let lock = try ExportLock(folder, connection, waitMs: settings.lockWaitMs, stop: stop)
        defer { withExtendedLifetime(lock) {} }
        folder.repair(trusting: settings.key.publicKey)
        folder.removeUnfinished()
        let published = folder.published(trusting: settings.key.publicKey)
        try requireSameEvent(connection, published)
        let builder = SnapshotBuilder(settings: settings, folder: folder, published: published, stop: stop)
        let built: SnapshotBuilder.Built
        switch try builder.build(connection) {
        case .upToDate(let manifest):
            let elsewhere = try recordPublication(manifest, connection)
            return Outcome(manifest: manifest, isNew: false, publishedElsewhere: elsewhere)
        case .built(let new): built = new
        }
        try stop.check()
        settings.progress?(.verifying(tags: built.manifest.attendees, bytes: built.manifest.size))
        let manifest = try folder.package(built.manifest, after: published, deltas: settings.deltas)
        try stop.check()
        if !built.isRecorded { try record(manifest, connection) }
        try folder.publish(manifest, key: settings.key)
        // After the manifest is in place: a snapshot that no scanner can fetch makes none outdated.
        let elsewhere = try recordPublication(manifest, connection)
        folder.prune(keep: settings.keep)
        return Outcome(manifest: manifest, isNew: true, publishedElsewhere: elsewhere)
    }

    /// Compares the manifest in the folder with the event. A manifest of another signing key is reported only.
    ///
    /// - Throws: `SnapshotExportError.folderOfOtherEvent`.
    private func requireSameEvent(_ connection: PostgresConnection, _ published: Manifest?) throws {
        guard let present = folder.manifest else { return }
        let own = try connection.query("SELECT id FROM tapline.event_settings").optionalText(0, 0)
        if let own, let other = present.eventID, other != own {
            throw SnapshotExportError.folderOfOtherEvent(folder: folder.path, event: present.event, id: other)
        }
        guard published == nil, !folder.isSigned(by: settings.key.publicKey) else { return }
        log.warning(
            "the snapshot in the folder was not signed with this key: scanners need the new public key",
            [.folder: settings.folder, .version: present.version])
    }

    /// Records whether scanners can download the snapshot.
    ///
    /// - Returns: the folders that they download from instead; `nil` if it is published.
    private func recordPublication(_ manifest: Manifest, _ connection: PostgresConnection) throws -> [String]? {
        let path = Files.canonicalPath(folder.path)
        let known = try connection.query(PublishedFolder.knownFolders)
        let folders = (0..<known.rowCount).map { known.text($0, 0) }
        let isPublished = settings.isPublished ?? (folders.isEmpty || folders.contains(path))
        try connection.query(
            """
            UPDATE tapline.snapshots SET folder = CASE WHEN published_at IS NULL THEN $2 ELSE folder END,
                published_at = coalesce(published_at, CASE WHEN $3 THEN now() END)
            WHERE version = $1
            """, [.int64(manifest.version), .text(path), .bool(isPublished)])
        return isPublished ? nil : folders
    }

    private func record(_ manifest: Manifest, _ connection: PostgresConnection) throws {
        _ = try connection.transaction {
            try connection.query(
                """
                INSERT INTO tapline.snapshots (version, created_at, expires_at, attendees, size, sha256, file, content)
                VALUES ($1, to_timestamp($2), to_timestamp($3), $4, $5, $6, $7, $8)
                """,
                [
                    .int64(manifest.version), .double(Double(manifest.created)), .double(Double(manifest.expires)),
                    .int64(manifest.attendees), .int64(manifest.size), .text(manifest.sha256), .text(manifest.file),
                    .text(manifest.content),
                ])
        }
    }
}

/// The progress of an export. The description is for the user.
package enum ExportProgress: Sendable, Equatable, CustomStringConvertible {
    /// Tags and bytes read from the database so far.
    case reading(tags: Int64, bytes: Int64)
    /// All tags are read; the finished file of this size is verified and compressed.
    case verifying(tags: Int64, bytes: Int64)

    /// The step, with its numbers of tags and bytes.
    package var description: String {
        switch self {
        case .reading(let tags, let bytes): "reading: \(tags) tags, \(bytes) bytes"
        case .verifying(let tags, let bytes): "verifying and compressing: \(tags) tags, \(bytes) bytes"
        }
    }
}
