package import ErrorModel
package import Postgres
import Runtime

/// A failed export or check of a snapshot.
package enum SnapshotExportError: OperationError {
    /// The registry, a published file or a finished file has invalid contents.
    case invalidContent(String)
    /// Another export did not finish in time. The text names the place: the folder or the database.
    case busy(String)
    /// The export was stopped. The last snapshot stays published.
    case stopped
    /// Neither the database nor the settings name the event.
    case eventNameMissing
    /// The settings name another event than the database.
    case eventNameDiffers(given: String, database: String)
    /// The database has no Tapline schema.
    case schemaMissing
    case database(PostgresError)
    /// The database is another machine, and its certificate is not verified.
    case databaseInsecure(String)
    /// Not a time of day.
    case invalidTime(String)
    /// The folder holds no publication that can be checked.
    case notPublished(String)
    /// The folder is neither that of a scanner with a snapshot nor a published one.
    case noSnapshot(folder: String)
    /// The folder holds the publication of another event.
    case folderOfOtherEvent(folder: String, event: String, id: String)
    /// The folder of a copy is one that exports publish in.
    case folderOfExports(String)
    /// The folder of a copy holds a newer version than the source.
    case copyIsNewer(folder: String, version: Int64, source: Int64)
    /// The folder of a copy holds the snapshot of another event.
    case copyOfOtherEvent(folder: String, event: String)
    /// The copy would replace its source.
    case sameFolder(String)

    /// The category; for `database` that of the database error.
    package var category: ErrorCategory {
        switch self {
        case .invalidContent, .busy, .stopped, .noSnapshot: .failure
        case .eventNameMissing, .eventNameDiffers, .schemaMissing, .invalidTime, .notPublished, .sameFolder,
            .folderOfOtherEvent, .folderOfExports, .copyIsNewer, .copyOfOtherEvent, .databaseInsecure:
            .configuration
        case .database(let error): error.category
        }
    }

    /// What failed and why. It names no command or option of a program.
    package var description: String {
        switch self {
        case .invalidContent(let detail): "snapshot export: \(detail)"
        case .busy(let place): "another export is running \(place)"
        case .stopped: "stopped before the snapshot was complete; the last one stays published"
        case .eventNameMissing: "the event has no name"
        case .eventNameDiffers(let given, let database):
            "the given event name is '\(given)', but the database belongs to the event '\(database)'"
        case .schemaMissing: "the database has no Tapline schema"
        case .database(let error): error.code == .misuse ? error.description : "database: \(error)"
        case .invalidTime(let text): "'\(text)' is not a time of day as HH:MM"
        case .notPublished(let detail): "nothing is published: \(detail)"
        case .databaseInsecure(let detail): "database: \(detail)"
        case .folderOfOtherEvent(let folder, let event, let id):
            "\(folder) holds the snapshots of the event '\(event)' with the ID \(id), whose scanners would refuse this one: "
                + "name another folder, or give the event that ID"
        case .sameFolder(let folder): "\(folder) is the published folder itself: name a folder on the stick"
        case .folderOfExports(let folder):
            "\(folder) is a folder that exports publish in, and scanners may download from it: name a folder on the stick"
        case .copyIsNewer(let folder, let version, let source):
            "\(folder) holds version \(version), which is newer than version \(source) of the source: copy from a folder "
                + "with a newer version, or name another folder"
        case .copyOfOtherEvent(let folder, let event):
            "\(folder) holds the snapshot of another event, \(event): name another folder, or empty this one"
        case .noSnapshot(let folder): "\(folder): no manifest in it names a snapshot"
        }
    }

    /// Classifies a database error: a missing table or schema means that the database was not migrated.
    init(_ error: PostgresError) {
        // undefined_table, invalid_schema_name
        self = error.sqlState == "42P01" || error.sqlState == "3F000" ? .schemaMissing : .database(error)
    }
}

extension StopSignal {
    /// - Throws: `SnapshotExportError.stopped` after the signal.
    func check() throws(SnapshotExportError) {
        guard !isStopped else { throw .stopped }
    }
}
