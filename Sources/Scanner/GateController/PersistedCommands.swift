import FoundationEssentials
import Runtime

/// `orders.json`: what the gate chief has ordered and a restart must not undo. Durable, replaced whole.
public struct StandingOrders: Codable, Hashable, Sendable {
    public var mode = LaneMode.normal
    /// The gate assigned by hand; goes before `--gate`, which goes before the scanner's default.
    public var assigned: String?

    public init() {}

    /// Bytes of the file at the most.
    static let limitBytes = 65_536

    static func path(_ folder: String) -> String { folder + "/orders.json" }

    /// No file: no orders. Throws `SystemError`, or `DecodingError` for a file that is none of ours.
    static func read(folder: String) throws -> StandingOrders {
        guard Files.exists(path(folder)) else { return StandingOrders() }
        return try JSONDecoder().decode(
            StandingOrders.self, from: Data(try Files.read(path(folder), limit: limitBytes)))
    }

    /// On the disk when this returns. Throws `SystemError`.
    func write(folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try Files.writeAtomically([UInt8](try encoder.encode(self)), to: StandingOrders.path(folder))
    }
}
