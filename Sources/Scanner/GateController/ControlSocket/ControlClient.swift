import CLI
import FileSystem
import ScanJournal
import SnapshotInstall
import Snapshots

extension ControlServer {
    /// Assigns a gate through the running gate, or, where none runs, by writing the order for the next one.
    ///
    /// Throws `ProgramError`: failed for a gate that the snapshot in force does not have, or where a gate runs that does not
    /// answer.
    package static func assign(folder: String, gate: String?) throws -> CommandResult {
        do { return try ask(folder: folder, .assign(gate: gate)) } catch let error as ProgramError
            where error.code == .unreachable
        {
            guard Files.exists(folder) else { throw ProgramError.failed("--data \(folder): there is no such folder") }
            // Held while the file is written: a gate that starts now waits for it, or is told that the folder is in use.
            let lock: FileLock
            do { lock = try Journal.lock(folder: folder) } catch {
                throw ProgramError.unreachable("a gate runs in \(folder), but does not answer")
            }
            return try withExtendedLifetime(lock) { try keep(folder, gate) }
        }
    }

    private static func keep(_ folder: String, _ gate: String?) throws -> CommandResult {
        if let gate {
            guard ControlMessage.isText(gate) else { return .refused("a gate's name is needed") }
            if let path = SnapshotStore(folder: folder + "/snapshots").current(),
                let snapshot = try? Snapshot(path: path),
                !snapshot.gates.values.contains(where: { $0.name == gate })
            {
                return .refused("the snapshot has no gate named \(gate)")
            }
        }
        // Orders that cannot be read are replaced: there is nothing in them to keep.
        var orders = (try? PersistedCommands.read(folder: folder)) ?? PersistedCommands()
        orders.assigned = gate
        try orders.write(folder: folder)
        return .done(
            gate.map { "the gate will be \($0)" } ?? "the gate will be that of --gate, or the scanner's own")
    }
}
