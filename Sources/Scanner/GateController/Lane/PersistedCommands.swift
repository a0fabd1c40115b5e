import AccessControl
import DataFolder
import FileSystem
import FoundationEssentials
import Runtime

/// `orders.json`: the operator commands that survive a restart. The file is durable and replaced as a whole.
struct PersistedCommands: Codable, Hashable, Sendable {
    /// The mode of the lane.
    var mode = LaneMode.normal
    /// The assigned gate. It has priority over the configured gate and the scanner's own.
    var assigned: String?

    /// Maximum size of the file that is read.
    static let limitBytes = 65_536

    /// Reads the file. A missing file holds no commands.
    ///
    /// - Throws: `SystemError`, or `DecodingError` for an invalid file.
    static func read(folder: String) throws -> PersistedCommands {
        let path = DataFolderPaths.commands(folder)
        guard Files.exists(path) else { return PersistedCommands() }
        return try JSONDecoder().decode(PersistedCommands.self, from: Data(try Files.read(path, limit: limitBytes)))
    }

    /// Writes the file. It is on the disk when this returns.
    ///
    /// - Throws: `SystemError`.
    func write(folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try Files.writeAtomically([UInt8](try encoder.encode(self)), to: DataFolderPaths.commands(folder))
    }
}

/// The mode and the assigned gate of a running lane, with their file.
final class CommandStore {
    private let folder: String
    private let log: Log
    private var commands = PersistedCommands()
    /// Why the file could not be read or written; `nil` if it could.
    private(set) var alarm: Alarm?
    /// The last mode in the journal; `nil` if none is recent enough to matter.
    private var journaledMode: LaneMode?

    /// Reads the file. An invalid file is reported, and the lane starts in mode normal with the configured gate.
    init(folder: String, log: Log) {
        self.folder = folder
        self.log = log
        do { commands = try PersistedCommands.read(folder: folder) } catch {
            alarm = .commandsUnreadable
            log.error("saved commands cannot be read: mode normal, configured gate", [.error: "\(error)"])
        }
    }

    var mode: LaneMode { commands.mode }
    /// The name of the assigned gate; `nil` if no gate is assigned.
    var assigned: String? { commands.assigned }

    /// Records a mode that was found in the journal.
    func noteJournaled(_ mode: LaneMode) { journaledMode = mode }

    /// Whether the mode must be journaled at the start.
    ///
    /// `true` also for mode normal, if the power failed before its row was appended.
    var isModeUnjournaled: Bool { commands.mode != (journaledMode ?? .normal) || commands.mode != .normal }

    /// Changes the mode. `save` makes it durable.
    func set(_ mode: LaneMode) { commands.mode = mode }
    /// Changes the assigned gate. `save` makes it durable.
    func assign(_ gate: String?) { commands.assigned = gate }

    /// Writes the file.
    ///
    /// - Returns: `nil`, or why a restart loses the commands.
    func save() -> Alarm? {
        do {
            try commands.write(folder: folder)
            alarm = nil
        } catch {
            alarm = .commandsNotPersisted
            log.error("commands not saved", [.error: "\(error)"])
        }
        return alarm
    }
}
