package import AccessControl
import FileSystem
import FoundationEssentials

/// `orders.json`: what the gate chief has ordered and a restart must not undo. Durable, replaced whole.
package struct PersistedCommands: Codable, Hashable, Sendable {
    package var mode = LaneMode.normal
    /// The gate assigned by hand; goes before `--gate`, which goes before the scanner's default.
    package var assigned: String?

    package init() {}

    /// Bytes of the file at the most.
    static let limitBytes = 65_536

    static func path(_ folder: String) -> String { folder + "/orders.json" }

    /// No file: no orders. Throws `SystemError`, or `DecodingError` for a file that is none of ours.
    static func read(folder: String) throws -> PersistedCommands {
        guard Files.exists(path(folder)) else { return PersistedCommands() }
        return try JSONDecoder().decode(
            PersistedCommands.self, from: Data(try Files.read(path(folder), limit: limitBytes)))
    }

    /// On the disk when this returns. Throws `SystemError`.
    func write(folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try Files.writeAtomically([UInt8](try encoder.encode(self)), to: PersistedCommands.path(folder))
    }
}
