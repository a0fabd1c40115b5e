import CLI
import FileSystem
import LinuxSystem
package import Minisign
import Postgres
package import Runtime
import ScanModel
package import Snapshots

/// Makes a snapshot of the registration list and publishes it in a folder, for HTTP, for `fetch --from`, for a stick.
///
/// The list is read in one REPEATABLE READ READ ONLY transaction, so the snapshot is the list as it was at one instant. It is
/// verified as a scanner would before anything names it; the manifest is switched last. A crash at any point leaves the
/// last snapshot published, and the next export goes on from there.
package struct SnapshotExporter: Sendable {
    package struct Settings: Sendable {
        /// Made if missing.
        package var folder: String
        package var key: MinisignSecretKey
        /// For a database whose event has no name yet; nil: the database's.
        package var event: String?
        /// Seconds until scanners no longer install it.
        package var expiresInS: Int64 = SnapshotExporter.defaultExpiresInS
        /// How many versions stay in the folder, the new one included.
        package var keep = SnapshotExporter.defaultKeep
        /// From how many older versions a delta leads to the new one, at most.
        package var deltas = SnapshotExporter.defaultDeltas
        /// Whether a list without a single tag is published.
        package var allowEmpty = true
        /// Whether a list with far fewer tags, or active tags, than before is published.
        package var allowShrink = false
        /// Seconds since 1970. What was published since then, with the same content, is as good as a new version until half of
        /// its time is over, and none is made; nil: one is made in any case.
        package var freshSinceS: Int64?
        /// How long another export is waited for, in milliseconds.
        package var lockWaitMs = 60_000
        /// Told how far it is, often; on the thread that exports.
        package var progress: (@Sendable (ExportProgress) -> Void)?

        package init(folder: String, key: MinisignSecretKey) { (self.folder, self.key) = (folder, key) }
    }

    package struct Outcome: Sendable, Equatable {
        /// What is published now.
        package let manifest: Manifest
        /// False when what was published already is as good (`freshSinceS`).
        package let isNew: Bool
    }

    /// Two nights: a center that misses one does not lock the gates.
    package static let defaultExpiresInS: Int64 = 48 * 3_600
    /// A week of nights.
    package static let defaultKeep = 7
    /// With changes that never pause, a scanner that missed two of its looks still finds its version; and each reads about 200
    /// bytes a delta in every new manifest.
    package static let defaultDeltas = 10
    /// A manifest stays under 64 KiB: about 250 bytes a delta.
    package static let deltasRange = 0...100
    /// Longest statement: a list of a million tags is read in seconds; a lock may hold it up.
    static let statementTimeoutMs = 600_000

    private let databaseURL: String
    private let settings: Settings
    private let folder: PublishedFolder
    private let log = Log("export")

    package init(databaseURL: String, _ settings: Settings) {
        self.databaseURL = databaseURL
        self.settings = settings
        folder = PublishedFolder(path: settings.folder)
    }

    /// Throws `ProgramError` (configuration) for a URL that libpq does not take; connects to nothing.
    package static func validate(databaseURL: String) throws {
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
    package func run(_ stop: StopSignal = StopSignal()) throws -> Outcome {
        let began = SystemClock.monotonicMs()
        folder.mendIfIdle(trusting: settings.key.publicKey)
        do {
            let connection = try PostgresConnection(
                url: databaseURL, statementTimeoutMs: SnapshotExporter.statementTimeoutMs,
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
            throw SnapshotExporter.explained(error)
        }
    }

    private func export(_ connection: PostgresConnection, _ stop: StopSignal) throws -> Outcome {
        try Files.makeFolder(folder.path)
        let lock = try ExportLock(folder, connection, waitMs: settings.lockWaitMs, stop)
        defer { withExtendedLifetime(lock) {} }
        folder.mend(trusting: settings.key.publicKey)
        folder.removeUnfinished()
        let published = folder.published(trusting: settings.key.publicKey)
        let made: Made
        switch try build(connection, instead: published, stop) {
        case .published(let manifest): return Outcome(manifest: manifest, isNew: false)
        case .made(let new): made = new
        }
        try SnapshotExporter.goOn(stop)
        settings.progress?(.verifying(tags: made.manifest.attendees, bytes: made.manifest.size))
        let manifest = try folder.package(made.manifest, after: published, deltas: settings.deltas)
        try SnapshotExporter.goOn(stop)
        if !made.isKnown { try record(manifest, connection) }
        try folder.publish(manifest, key: settings.key)
        folder.prune(keep: settings.keep)
        return Outcome(manifest: manifest, isNew: true)
    }

    /// A finished file. Its manifest says all but how it may be had compressed or as a delta.
    private struct Made {
        let manifest: Manifest
        /// Whether the database has its row: another center published the same file.
        let isKnown: Bool
    }

    private enum Build {
        case made(Made)
        /// What is published here is as good.
        case published(Manifest)
    }

    /// Reads the list into a new file.
    ///
    /// - Parameter mayJoin: whether a version that another center published may be published here, too.
    private func build(
        _ connection: PostgresConnection, instead published: Manifest?, mayJoin: Bool = true, _ stop: StopSignal
    ) throws -> Build {
        // The transaction ends before the file is made: nothing old is held in the database for it.
        var list = try connection.transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY") {
            try read(RegistryReader(connection, stop))
        }
        let active = list.tags.active
        let content = try write(&list.tags, to: list.writer, stop)
        // What another center has published was measured there, or allowed.
        if !settings.allowShrink, content != list.last?.content { try measure(active: active) }
        var manifest = list.manifest
        manifest.content = content
        if let freshSinceS = settings.freshSinceS, let published,
            !published.isDue(freshSinceS: freshSinceS, nowS: manifest.created), published.event == manifest.event,
            published.content == content
        {
            folder.removeUnfinished()
            return .published(published)
        }
        let other = list.last.flatMap { mayJoin && canJoin($0, content, nowS: manifest.created) ? $0 : nil }
        if let other {
            manifest = Manifest(
                event: manifest.event, version: other.version, created: other.createdS, expires: other.expiresS,
                size: 0,
                sha256: "", content: content, attendees: manifest.attendees)
        }
        try list.writer.finish(
            event: manifest.event, version: manifest.version, createdS: manifest.created, expiresS: manifest.expires)
        manifest.size = Int64(Files.status(folder.building)?.size ?? 0)
        manifest.sha256 = try Files.sha256Hex(folder.building)
        guard other.map({ $0.sha256 == manifest.sha256 }) ?? true else {
            // Made by another program, or before the event got another name. Under one version there is one file.
            folder.removeUnfinished()
            return try build(connection, instead: published, mayJoin: false, stop)
        }
        return .made(Made(manifest: manifest, isKnown: other != nil))
    }

    /// Whether another center has published this very list, under a version that is new here. Then it is published here as the
    /// same file, so that scanners may go from one center to the other.
    private func canJoin(_ other: RegistryReader.Published, _ content: String, nowS: Int64) -> Bool {
        guard let freshSinceS = settings.freshSinceS else { return false }
        let isDue = Manifest.isDue(
            createdS: other.createdS, expiresS: other.expiresS, freshSinceS: freshSinceS, nowS: nowS)
        return other.content == content && !isDue && other.version > folder.lastVersion
    }

    /// Gives the content.
    private func write(_ tags: inout SortedTags, to writer: SnapshotWriter, _ stop: StopSignal) throws -> String {
        try tags.drain { rows in
            for row in rows {
                guard let status = Attendee.Status(rawValue: row.status) else {
                    throw ExportError(detail: "tag \(row.tag): status \(row.status)")
                }
                try writer.add(
                    TagID(rawValue: row.tag), Attendee(status: status, pass: row.pass, attendee: row.attendee))
            }
            try SnapshotExporter.goOn(stop)
        }
        guard let content = writer.content else {
            throw ExportError(detail: "rows came in another order than they must")
        }
        return content
    }

    /// A registration list as it was read.
    private struct List {
        /// Lacks what is known only of a finished file.
        let manifest: Manifest
        /// Has all but the tags.
        let writer: SnapshotWriter
        var tags: SortedTags
        /// The last snapshot that the database knows.
        let last: RegistryReader.Published?
    }

    private func read(_ registry: RegistryReader) throws -> List {
        let event = try eventName(registry.eventName())
        let published = try registry.published()
        let now = try registry.nowS()
        let largest = try registry.largest()
        let writer = try SnapshotWriter(
            path: folder.building, largestPass: largest.pass, largestAttendee: largest.attendee)
        try registry.copyPasses(to: writer)
        try registry.copyPlaces(to: writer)
        try registry.copyDays(to: writer)
        let tags = try registry.tags { settings.progress?(.reading(tags: $0, bytes: $1)) }
        guard tags.count > 0 || settings.allowEmpty else { throw ExportRefusal.empty }
        if !settings.allowShrink { try measure(tags.count, by: published) }
        let version = max(now, max(published.last?.version ?? 0, folder.lastVersion) + 1)
        let manifest = Manifest(
            event: event, version: version, created: now, expires: now + settings.expiresInS, size: 0, sha256: "",
            content: "", attendees: tags.count)
        return List(manifest: manifest, writer: writer, tags: tags, last: published.last)
    }

    /// Throws `ExportRefusal` for a list that only seems to have shrunk. The database or the folder may know the later version:
    /// either may have been restored from a backup.
    private func measure(_ attendees: Int64, by published: [RegistryReader.Published]) throws {
        var shrinking = ShrinkGuard()
        for one in published { shrinking.published(version: one.version, attendees: one.attendees) }
        if let here = folder.manifest, here.version > published.last?.version ?? 0 {
            shrinking.published(version: here.version, attendees: here.attendees)
        }
        if let refusal = shrinking.refusal(of: attendees) { throw refusal }
    }

    /// The same, for one whose tags are there, but no longer active.
    private func measure(active: Int64) throws {
        guard let last = folder.lastActive(), ExportRefusal.hasFewerActive(active, than: last.active) else { return }
        throw ExportRefusal.fewerActive(active: active, last: last.active, lastVersion: last.version)
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
