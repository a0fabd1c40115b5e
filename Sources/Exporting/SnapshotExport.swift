internal import Postgres
public import Runtime
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
        /// Whether a list without a single tag is published.
        public var allowEmpty = true

        public init(folder: String, key: MinisignSecretKey) { (self.folder, self.key) = (folder, key) }
    }

    /// Two nights: a center that misses one does not lock the gates.
    public static let defaultExpiresInS: Int64 = 48 * 3_600
    /// A week of nights.
    public static let defaultKeep = 7
    /// The key of the advisory lock that one export holds in the database: "TPLN" and 2. 1 is the presence lock
    /// (`tapline.lock_presence`): scans are stored, and exports begin, while the other goes on.
    static let advisoryLock: Int64 = 0x5450_4C4E_0002
    /// Looks at the lock, a tenth of a second apart.
    static let lockTries = 20
    /// Longest statement: a list of a million tags is read in seconds; a lock may hold it up.
    static let statementTimeoutMs = 600_000

    private let databaseURL: String
    private let settings: Settings
    private let log = Log("export")

    public init(databaseURL: String, _ settings: Settings) {
        self.databaseURL = databaseURL
        self.settings = settings
    }

    /// Throws `ProgramError` (configuration) for a URL that libpq does not take; connects to nothing.
    public static func validate(databaseURL: String) throws {
        do { try PostgresConnection.validate(url: databaseURL) } catch {
            throw ProgramError.configuration(error.description)
        }
    }

    /// Exports once, and gives the manifest that is published now.
    ///
    /// Throws `ProgramError`: unreachable (the database), configuration (no schema, no event's name, another export running
    /// in this folder), failed (another export running on this database; an empty list that is not allowed); `SnapshotRefusal`
    /// when what was made does not verify; `SystemError` and `SQLiteError` for the disk.
    ///
    /// - Parameter stop: gives up between two steps, with `failed`; the last snapshot stays published.
    public func run(_ stop: StopSignal = StopSignal()) throws -> Manifest {
        let began = SystemClock.monotonicMs()
        do {
            let connection = try PostgresConnection(
                url: databaseURL, statementTimeoutMs: SnapshotExport.statementTimeoutMs,
                applicationName: "tapline-snapshot")
            let manifest = try export(connection, stop)
            log.info(
                "snapshot published",
                [
                    .version: manifest.version, .event: manifest.event, .count: manifest.attendees,
                    .bytes: manifest.size, .folder: settings.folder, .durationMs: SystemClock.monotonicMs() - began,
                ])
            return manifest
        } catch let error as PostgresError {
            throw SnapshotExport.explained(error)
        }
    }

    private func export(_ connection: PostgresConnection, _ stop: StopSignal) throws -> Manifest {
        try Files.makeFolder(settings.folder)
        let folder = PublishedFolder(path: settings.folder)
        let lock = try FileLock(folder.path + "/.export.lock")
        defer { withExtendedLifetime(lock) {} }
        try excludeOthers(connection)
        folder.removeUnfinished()
        let building = folder.path + "/.building.sqlite"
        let manifest = try build(connection, building, folder, stop)
        try SnapshotExport.goOn(stop)
        let finished = try package(building, manifest, folder)
        try SnapshotExport.goOn(stop)
        _ = try connection.transaction {
            try connection.query(
                """
                INSERT INTO tapline.snapshots (version, created_at, expires_at, attendees, size, sha256, file)
                VALUES ($1, to_timestamp($2), to_timestamp($3), $4, $5, $6, $7)
                """,
                [
                    .int64(finished.version), .double(Double(finished.created)), .double(Double(finished.expires)),
                    .int64(finished.attendees), .int64(finished.size), .text(finished.sha256), .text(finished.file),
                ])
        }
        try folder.publish(finished, key: settings.key)
        folder.prune(keep: settings.keep)
        return finished
    }

    /// Takes the advisory lock for as long as the connection lives, so that it goes whatever becomes of this process. Waits
    /// a little: the server may not have noticed yet that the last holder died.
    private func excludeOthers(_ connection: PostgresConnection) throws {
        let never = StopSignal()
        for _ in 0..<SnapshotExport.lockTries {
            let taken = try connection.query("SELECT pg_try_advisory_lock($1)", [.int64(SnapshotExport.advisoryLock)])
            if taken.bool(0, 0) { return }
            never.wait(ms: 100)
        }
        throw ProgramError.failed("another export is running on this database")
    }

    /// Reads the list into a new file.
    private func build(
        _ connection: PostgresConnection, _ path: String, _ folder: PublishedFolder, _ stop: StopSignal
    ) throws -> Manifest {
        var tags = 0
        try connection.transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY") {
            let registry = RegistryReader(connection, stop)
            let event = try eventName(registry.eventName())
            let last = max(try registry.lastVersion(), folder.lastVersion)
            let now = try registry.nowS()
            let writer = try SnapshotWriter(path: path)
            tags = try registry.copyAll(to: writer)
            guard tags > 0 || settings.allowEmpty else {
                throw ProgramError.failed("the registration list has no tags yet")
            }
            try writer.finish(
                event: event, version: max(now, last + 1), createdS: now, expiresS: now + settings.expiresInS)
        }
        try SnapshotExport.goOn(stop)
        let manifest = try Manifest(describing: path)
        try SnapshotVerification.file(path, manifest)
        guard manifest.attendees == Int64(tags) else {
            throw SnapshotRefusal(.rows, "\(manifest.attendees) rows in the file, \(tags) tags in the database")
        }
        return manifest
    }

    /// Gives the file its name, and its compressed twin, which is expanded again to be sure of it.
    private func package(_ building: String, _ manifest: Manifest, _ folder: PublishedFolder) throws -> Manifest {
        var manifest = manifest
        manifest.compressed = try folder.compress(building, as: manifest.file + ".gz", expecting: manifest)
        try Files.rename(building, to: folder.path + "/" + manifest.file)
        return manifest
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
