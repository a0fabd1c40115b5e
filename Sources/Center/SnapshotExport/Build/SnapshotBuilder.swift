import FileSystem
import Postgres
import Runtime
import ScanModel
import SnapshotWriting
import Snapshots

/// Builds the file of the next snapshot from the registration list.
struct SnapshotBuilder {
    let settings: SnapshotExporter.Settings
    let folder: PublishedFolder
    /// The manifest that is published in the folder, if it is valid.
    let published: Manifest?
    let stop: StopSignal

    /// A finished file.
    struct Built {
        /// Lacks the compressed file and the deltas.
        let manifest: Manifest
        /// Whether the database already has a row of this version, because another center published the same file.
        let isRecorded: Bool
    }

    enum Outcome {
        case built(Built)
        /// The published snapshot is current, and no new file was built.
        case upToDate(Manifest)
    }

    /// Reads the list into a new file.
    ///
    /// - Parameter mayJoin: whether a version that another center published may be published here, too.
    /// - Throws: `ExportRejection`, `SnapshotExportError`, `PostgresError`, `SQLiteError`, `SnapshotError`,
    ///   `SystemError`.
    func build(_ connection: PostgresConnection, mayJoin: Bool = true) throws -> Outcome {
        // The transaction ends before the file is written, so that it does not hold back the vacuum of the database.
        var list = try connection.transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY") {
            try read(RegistryReader(connection, stop: stop))
        }
        let active = list.tags.active
        let content = try write(&list.tags, to: list.writer)
        // A content that another center published was checked or allowed there.
        if !settings.allowShrink, content != list.last?.content { try checkActive(active) }
        var manifest = list.manifest
        manifest.content = content
        if let freshSinceS = settings.freshSinceS, let published,
            !published.isDue(freshSinceS: freshSinceS, nowS: manifest.created), published.hasEventOf(manifest),
            published.content == content
        {
            folder.removeUnfinished()
            return .upToDate(published)
        }
        let other = list.last.flatMap { mayJoin && canJoin($0, content, nowS: manifest.created) ? $0 : nil }
        if let other {
            manifest = list.event.manifest(
                of: manifest.event, version: other.version, created: other.createdS, expires: other.expiresS,
                content: content,
                attendees: manifest.attendees)
        }
        try list.writer.finish(manifest)
        manifest.size = Int64(Files.status(folder.building)?.size ?? 0)
        manifest.sha256 = try Files.sha256Hex(folder.building)
        guard other.map({ $0.sha256 == manifest.sha256 }) ?? true else {
            // The other file was made by another program version, or before a property of the event changed. A version must
            // identify one file, so a new version is made.
            folder.removeUnfinished()
            return try build(connection, mayJoin: false)
        }
        return .built(Built(manifest: manifest, isRecorded: other != nil))
    }

    /// Returns whether another center has published the same content under a version that is new in this folder.
    ///
    /// The same file is then published here, so that scanners can switch between the centers.
    private func canJoin(_ other: RegistryReader.Published, _ content: String, nowS: Int64) -> Bool {
        guard let freshSinceS = settings.freshSinceS else { return false }
        let isDue = Manifest.isDue(
            createdS: other.createdS, expiresS: other.expiresS, freshSinceS: freshSinceS, nowS: nowS)
        return other.content == content && !isDue && other.version > folder.lastVersion
    }

    // MARK: Reading

    /// A registration list after it was read.
    private struct List {
        let event: RegistryReader.Event
        /// Lacks the values that are known only after the file is finished.
        let manifest: Manifest
        /// Has everything except the tags.
        let writer: SnapshotWriter
        var tags: SortedTags
        /// The last snapshot in the database.
        let last: RegistryReader.Published?
    }

    private func read(_ registry: RegistryReader) throws -> List {
        let event = try registry.event()
        let name = try eventName(event.name)
        let published = try registry.published()
        let clock = ExportClock(databaseS: try registry.nowS(), machineS: settings.machineClockS())
        let largest = try registry.largest()
        let writer = try SnapshotWriter(
            path: folder.building, largestPass: largest.pass, largestAttendee: largest.attendee)
        try registry.copyPasses(to: writer)
        try registry.copyPlaces(to: writer)
        try registry.copyDays(to: writer, nowS: clock.nowS)
        let tags = try registry.tags { settings.progress?(.reading(tags: $0, bytes: $1)) }
        guard tags.count > 0 || settings.allowEmpty else { throw ExportRejection.empty }
        if !settings.allowShrink { try checkCount(tags.count, published) }
        let version = try nextVersion(after: max(published.last?.version ?? 0, folder.lastVersion), nowS: clock.nowS)
        let manifest = event.manifest(
            of: name, version: version, created: clock.nowS, expires: clock.expiresS(after: settings.expiresInS),
            content: "", attendees: tags.count)
        return List(event: event, manifest: manifest, writer: writer, tags: tags, last: published.last)
    }

    /// - Throws: `SnapshotExportError.invalidContent` if scanners would reject each higher version.
    private func nextVersion(after last: Int64, nowS: Int64) throws(SnapshotExportError) -> Int64 {
        guard last < Bounds.uint - 1 else {
            throw .invalidContent(
                "the last version is \(last), and scanners reject versions from \(Bounds.uint) on: delete the rows of "
                    + "tapline.snapshots that no export has made")
        }
        return max(nowS, last + 1)
    }

    /// An event that only the settings name has no UUID. Scanners then pin its name, and the UUID later.
    private func eventName(_ inDatabase: String?) throws(SnapshotExportError) -> String {
        switch (inDatabase, settings.event) {
        case (let name?, nil), (nil, let name?): return name
        case (let name?, let given?):
            guard name == given else { throw .eventNameDiffers(given: given, database: name) }
            return name
        case (nil, nil): throw .eventNameMissing
        }
    }

    /// Writes the tags to the file.
    ///
    /// - Returns: the content hash.
    private func write(_ tags: inout SortedTags, to writer: SnapshotWriter) throws -> String {
        try tags.drain { rows in
            for row in rows {
                guard let status = Attendee.Status(rawValue: row.status) else {
                    throw SnapshotExportError.invalidContent("tag \(row.tag): unknown status \(row.status)")
                }
                try writer.add(
                    TagID(rawValue: row.tag), Attendee(status: status, pass: row.pass, attendee: row.attendee))
            }
            try stop.check()
        }
        guard let content = writer.content else {
            throw SnapshotExportError.invalidContent("rows were added in the wrong order")
        }
        return content
    }

    // MARK: Shrink check

    /// Compares the number of tags with the published snapshots.
    ///
    /// The database or the folder can have the later version: either can have been restored from a backup.
    ///
    /// - Throws: `ExportRejection.shrunk`.
    private func checkCount(_ attendees: Int64, _ published: [RegistryReader.Published]) throws {
        var shrinkGuard = ShrinkGuard()
        for snapshot in published {
            shrinkGuard.addPublished(version: snapshot.version, attendees: snapshot.attendees)
        }
        if let here = folder.manifest, here.version > published.last?.version ?? 0 {
            shrinkGuard.addPublished(version: here.version, attendees: here.attendees)
        }
        if let rejection = shrinkGuard.rejection(of: attendees) { throw rejection }
    }

    /// Compares the number of active tags with the published file.
    ///
    /// - Throws: `ExportRejection.fewerActive`.
    private func checkActive(_ active: Int64) throws {
        guard let last = folder.lastActive(), ExportRejection.hasFewerActive(active, than: last.active) else { return }
        throw ExportRejection.fewerActive(active: active, last: last.active, lastVersion: last.version)
    }
}
