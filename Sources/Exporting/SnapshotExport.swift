internal import Postgres
public import Runtime
internal import Scans
public import Snapshots

/// Makes a snapshot of the registration list and publishes it in a folder, for HTTP, for `fetch --from`, for a stick.
///
/// The list is read in one REPEATABLE READ READ ONLY transaction, so the snapshot is the list as it was at one instant. It is
/// verified as a scanner would before anything names it; the manifest is switched last. A crash at any point leaves the
/// last snapshot published, and the next export goes on from there.
public struct SnapshotExport: Sendable {
    public struct Settings: Sendable {
        /// Made if missing.
        public var folder: String
        public var key: MinisignSecretKey
        /// For a database whose event has no name yet; nil: the database's.
        public var event: String?
        /// Seconds until scanners no longer install it.
        public var expiresInS: Int64 = SnapshotExport.defaultExpiresInS
        /// How many versions stay in the folder, the new one included.
        public var keep = SnapshotExport.defaultKeep
        /// From how many older versions a delta leads to the new one, at most.
        public var deltas = SnapshotExport.defaultDeltas
        /// Whether a list without a single tag is published.
        public var allowEmpty = true
        /// Whether a list with far fewer tags than the last one is published.
        public var allowShrink = false
        /// Seconds since 1970. What was published since then, with the same content, is as good as a new version, and none
        /// is made; nil: one is made in any case.
        public var freshSinceS: Int64?
        /// How long another export is waited for, in milliseconds.
        public var lockWaitMs = 60_000
        /// Told how far it is, often; on the thread that exports.
        public var progress: (@Sendable (ExportProgress) -> Void)?

        public init(folder: String, key: MinisignSecretKey) { (self.folder, self.key) = (folder, key) }
    }

    public struct Outcome: Sendable, Equatable {
        /// What is published now.
        public let manifest: Manifest
        /// False when what was published already is as good (`freshSinceS`).
        public let isNew: Bool
    }

    /// Two nights: a center that misses one does not lock the gates.
    public static let defaultExpiresInS: Int64 = 48 * 3_600
    /// A week of nights.
    public static let defaultKeep = 7
    /// With changes that never pause, a scanner that missed two of its looks still finds its version; and each reads about 200
    /// bytes a delta in every new manifest.
    public static let defaultDeltas = 10
    /// A manifest stays under 64 KiB: about 250 bytes a delta.
    public static let deltasRange = 0...100
    /// Longest statement: a list of a million tags is read in seconds; a lock may hold it up.
    static let statementTimeoutMs = 600_000

    private let databaseURL: String
    private let settings: Settings
    private let folder: PublishedFolder
    private let log = Log("export")

    public init(databaseURL: String, _ settings: Settings) {
        self.databaseURL = databaseURL
        self.settings = settings
        folder = PublishedFolder(path: settings.folder)
    }

    /// Throws `ProgramError` (configuration) for a URL that libpq does not take; connects to nothing.
    public static func validate(databaseURL: String) throws {
        do { try PostgresConnection.validate(url: databaseURL) } catch {
            throw ProgramError.configuration(error.description)
        }
    }

    /// Exports once.
    ///
    /// Throws `ProgramError`: unreachable (the database), configuration (no schema, no event's name), failed (another export
    /// runs for too long); `ExportRefusal` for a list that is empty, or shrunk, where that is not allowed; `ExportError` for one
    /// that cannot be; `SnapshotRefusal` when what was made does not verify; `SystemError` and `SQLiteError` for the disk.
    ///
    /// - Parameter stop: gives up between two steps, with `failed`; the last snapshot stays published.
    public func run(_ stop: StopSignal = StopSignal()) throws -> Outcome {
        let began = SystemClock.monotonicMs()
        do {
            let connection = try PostgresConnection(
                url: databaseURL, statementTimeoutMs: SnapshotExport.statementTimeoutMs,
                applicationName: "tapline-snapshot")
            let outcome = try export(connection, stop)
            let manifest = outcome.manifest
            log.info(
                outcome.isNew ? "snapshot published" : "nothing has changed since the last snapshot",
                [
                    .version: manifest.version, .event: manifest.event, .count: manifest.attendees,
                    .bytes: manifest.size, .folder: settings.folder, .durationMs: SystemClock.monotonicMs() - began,
                ])
            return outcome
        } catch let error as PostgresError {
            throw SnapshotExport.explained(error)
        }
    }

    private func export(_ connection: PostgresConnection, _ stop: StopSignal) throws -> Outcome {
        try Files.makeFolder(folder.path)
        let lock = try ExportLock(folder.path, connection, waitMs: settings.lockWaitMs, stop)
        defer { withExtendedLifetime(lock) {} }
        folder.mend(trusting: settings.key.publicKey)
        folder.removeUnfinished()
        let published = folder.published(trusting: settings.key.publicKey)
        guard let made = try build(connection, instead: published, stop) else {
            guard let published else { throw ExportError(detail: "there is nothing published, and nothing new") }
            return Outcome(manifest: published, isNew: false)
        }
        try SnapshotExport.goOn(stop)
        settings.progress?(.verifying(tags: made.attendees, bytes: made.size))
        let manifest = try folder.package(made, after: published, deltas: settings.deltas)
        try SnapshotExport.goOn(stop)
        try record(manifest, connection)
        try folder.publish(manifest, key: settings.key)
        folder.prune(keep: settings.keep)
        return Outcome(manifest: manifest, isNew: true)
    }

    /// Reads the list into a new file, whose manifest says all but how it may be had compressed or as a delta. Nil when what is
    /// published is as good.
    private func build(
        _ connection: PostgresConnection, instead published: Manifest?, _ stop: StopSignal
    ) throws -> Manifest? {
        // The transaction ends before the file is made: nothing old is held in the database for it.
        var list = try connection.transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY") {
            try read(RegistryReader(connection, stop))
        }
        let writer = list.writer
        try list.tags.drain { rows in
            for row in rows {
                guard let status = Attendee.Status(rawValue: row.status) else {
                    throw ExportError(detail: "tag \(row.tag): status \(row.status)")
                }
                try writer.add(
                    TagID(rawValue: row.tag), Attendee(status: status, pass: row.pass, attendee: row.attendee))
            }
            try SnapshotExport.goOn(stop)
        }
        guard let content = writer.content else {
            throw ExportError(detail: "rows came in another order than they must")
        }
        list.manifest.content = content
        if let freshSinceS = settings.freshSinceS, let published, published.created >= freshSinceS,
            published.event == list.manifest.event, published.content == content
        {
            folder.removeUnfinished()
            return nil
        }
        try writer.finish(
            event: list.manifest.event, version: list.manifest.version, createdS: list.manifest.created,
            expiresS: list.manifest.expires)
        list.manifest.size = Int64(Files.status(folder.building)?.size ?? 0)
        list.manifest.sha256 = try Files.sha256Hex(folder.building)
        return list.manifest
    }

    /// A registration list as it was read.
    private struct List {
        /// Lacks what is known only of a finished file.
        var manifest: Manifest
        /// Has all but the tags.
        let writer: SnapshotWriter
        var tags: SortedTags
    }

    private func read(_ registry: RegistryReader) throws -> List {
        let event = try eventName(registry.eventName())
        let published = try lastPublished(registry)
        let now = try registry.nowS()
        let largest = try registry.largest()
        let writer = try SnapshotWriter(
            path: folder.building, largestPass: largest.pass, largestAttendee: largest.attendee)
        try registry.copyPasses(to: writer)
        try registry.copyPlaces(to: writer)
        try registry.copyDays(to: writer)
        let tags = try registry.tags { settings.progress?(.reading(tags: $0, bytes: $1)) }
        guard tags.count > 0 || settings.allowEmpty else { throw ExportRefusal.empty }
        if let published, !settings.allowShrink, ExportRefusal.isShrunk(tags.count, from: published.attendees) {
            throw ExportRefusal.shrunk(
                attendees: tags.count, last: published.attendees, lastVersion: published.version)
        }
        let manifest = Manifest(
            event: event, version: max(now, max(published?.version ?? 0, folder.lastVersion) + 1), created: now,
            expires: now + settings.expiresInS, size: 0, sha256: "", content: "", attendees: tags.count)
        return List(manifest: manifest, writer: writer, tags: tags)
    }

    /// As the database or the folder remembers it, whichever knows the later: either may have been restored from a backup.
    private func lastPublished(_ registry: RegistryReader) throws -> (version: Int64, attendees: Int64)? {
        let known = try registry.lastPublished()
        guard let here = folder.manifest, here.version > known?.version ?? 0 else { return known }
        return (here.version, here.attendees)
    }

    private func record(_ manifest: Manifest, _ connection: PostgresConnection) throws {
        _ = try connection.transaction {
            try connection.query(
                """
                INSERT INTO tapline.snapshots (version, created_at, expires_at, attendees, size, sha256, file)
                VALUES ($1, to_timestamp($2), to_timestamp($3), $4, $5, $6, $7)
                """,
                [
                    .int64(manifest.version), .double(Double(manifest.created)), .double(Double(manifest.expires)),
                    .int64(manifest.attendees), .int64(manifest.size), .text(manifest.sha256), .text(manifest.file),
                ])
        }
    }

    static func goOn(_ stop: StopSignal) throws {
        guard !stop.isStopped else {
            throw ProgramError.failed("stopped before the snapshot was done; the last one stays published")
        }
    }

    private func eventName(_ inDatabase: String?) throws -> String {
        switch (inDatabase, settings.event) {
        case (let name?, nil): return name
        case (nil, let name?): return name
        case (let name?, let given?):
            guard name == given else {
                throw ProgramError.configuration("--event \(given): the database belongs to '\(name)'")
            }
            return name
        case (nil, nil):
            throw ProgramError.configuration("the event has no name: tapline-center event set, or --event NAME")
        }
    }

    static func explained(_ error: PostgresError) -> any Error {
        // undefined_table, invalid_schema_name
        if error.sqlState == "42P01" || error.sqlState == "3F000" {
            return ProgramError.configuration("the database has no Tapline schema yet: tapline-center migrate")
        }
        if error.code == .misuse { return ProgramError.configuration(error.description) }
        guard error.isConnectionLost || error.code == .cannotConnect else { return error }
        return ProgramError.unreachable("database: \(error)")
    }
}
