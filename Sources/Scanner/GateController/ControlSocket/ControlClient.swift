import DataFolder
package import ErrorModel
import FileSystem
package import LinuxSystem
import Runtime
import ScanJournal
package import ScanModel
import SnapshotInstall
import Snapshots

/// Sends operator commands to the gate that runs in a data folder.
package enum ControlClient {
    /// Sends a command and waits for its result, for `requestMs` and `replyMs` of `ControlServer` at most.
    ///
    /// - Throws: `ControlError` if no gate runs in the folder, or if it refuses the connection or does not answer.
    package static func send(_ command: LaneCommand, folder: String) throws(ControlError) -> CommandResult {
        let socket: LocalSocket
        do { socket = try LocalSocket.connect(DataFolderPaths.controlSocket(folder)) } catch let error as SystemError {
            throw error.isPermissionDenied ? .notPermitted(error) : .notRunning(folder: folder, error)
        } catch { throw .noAnswer(folder: folder) }
        guard socket.writeLine(ControlMessage.line(command)),
            let result = socket.readLine(withinMs: ControlServer.requestMs + ControlServer.replyMs)
                .flatMap(ControlMessage.result)
        else { throw .noAnswer(folder: folder) }
        return result
    }

    /// Returns the tag of an attendee in the snapshot of the folder: an active one, if there is one.
    ///
    /// - Parameter attendee: the attendee number of the center's database.
    /// - Throws: `ControlError`, or `SQLiteError` if the snapshot cannot be read.
    package static func tag(ofAttendee attendee: Int64, folder: String) throws -> TagID {
        guard let path = SnapshotStore(folder: DataFolderPaths.snapshots(folder)).current() else {
            throw ControlError.noSnapshot(folder: folder)
        }
        var found: (tag: TagID, isActive: Bool)?
        try Snapshot(path: path).forEachAttendee { tag, row in
            guard row.attendee == attendee, found?.isActive != true else { return }
            found = (tag, row.status == .active)
        }
        guard let found else { throw ControlError.noSuchAttendee(attendee) }
        return found.tag
    }

    /// Assigns a gate through the running gate. If none runs, saves the assignment for the next start.
    ///
    /// - Parameter gate: the name of the gate; `nil` returns to the configured gate, or the scanner's own.
    /// - Throws: `ControlError` if the folder does not exist, or if a gate runs but does not answer; `SystemError` if
    ///   the assignment cannot be saved.
    package static func assign(_ gate: String?, folder: String) throws -> CommandResult {
        do { return try send(.assign(gate: gate), folder: folder) } catch {
            guard error.category == .unavailable else { throw error }
        }
        guard Files.exists(folder) else { throw ControlError.noSuchFolder(folder) }
        // Held while the file is written: a gate that starts now reports that the folder is in use.
        let lock: FileLock
        do { lock = try Journal.lock(folder: folder) } catch is FileLock.Held {
            throw ControlError.noAnswer(folder: folder)
        }
        return try withExtendedLifetime(lock) { try save(gate, folder: folder) }
    }

    private static func save(_ gate: String?, folder: String) throws -> CommandResult {
        if let gate {
            guard ControlMessage.isText(gate) else { return .rejected(ControlMessage.Invalid.gate.description) }
            if let path = SnapshotStore(folder: DataFolderPaths.snapshots(folder)).current(),
                let snapshot = try? Snapshot(path: path),
                !snapshot.gates.values.contains(where: { $0.name == gate })
            {
                return .rejected("the snapshot has no gate named \(gate)")
            }
        }
        // An invalid file is replaced, because it holds nothing to keep.
        var commands = (try? PersistedCommands.read(folder: folder)) ?? PersistedCommands()
        commands.assigned = gate
        try commands.write(folder: folder)
        return .done(
            gate.map { "the gate will be \($0)" } ?? "the gate will be the configured one, or the scanner's own")
    }
}

/// Why a command did not reach a lane.
package enum ControlError: OperationError {
    /// The data folder does not exist.
    case noSuchFolder(String)
    /// The folder has no snapshot, in which attendees could be looked up.
    case noSnapshot(folder: String)
    /// The snapshot has no attendee of this number.
    case noSuchAttendee(Int64)
    /// The user of this process may not use the socket.
    case notPermitted(SystemError)
    /// No gate listens in the folder.
    case notRunning(folder: String, SystemError)
    /// A gate runs in the folder, but does not answer in time.
    case noAnswer(folder: String)

    /// `unavailable` if a later attempt may succeed, otherwise `failure`.
    package var category: ErrorCategory {
        switch self {
        case .noSuchFolder, .notPermitted, .noSnapshot, .noSuchAttendee: .failure
        case .notRunning, .noAnswer: .unavailable
        }
    }

    /// What was attempted, and why it failed.
    package var description: String {
        switch self {
        case .noSuchFolder(let folder): "\(folder): there is no such folder"
        case .noSnapshot(let folder): "\(folder): there is no snapshot"
        case .noSuchAttendee(let number): "the snapshot has no tag of attendee \(number)"
        case .notPermitted(let error): "\(error): the gate accepts commands from its own user and group only"
        case .notRunning(let folder, let error): "no gate is running in \(folder) (\(error))"
        case .noAnswer(let folder): "the gate in \(folder) does not answer"
        }
    }
}

extension SystemError {
    /// EACCES (13) or EPERM (1).
    fileprivate var isPermissionDenied: Bool { code == 13 || code == 1 }
}
