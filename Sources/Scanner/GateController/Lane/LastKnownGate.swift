import FileSystem
import FoundationEssentials
import ScanModel
import Snapshots

/// `last-gate.json`: the gate that this lane was last, with its policy, for a start at which no snapshot can be read: what the
/// policy says of that case must outlive a power cut. Durable, replaced whole.
struct LastKnownGate: Codable, Hashable {
    var scanner: String
    /// What was asked for by `assign` or `--gate`; nil: the scanner's own.
    var asked: String?
    var id: Int64
    var name: String
    var zone: Int64
    var zoneName: String?
    var fromZone: Int64?
    var fromZoneName: String?
    /// As in the snapshot.
    var policy: String

    init(_ gate: Gate, scanner: ScannerID, asked: String?, zones: [Int64: Zone]) {
        (self.scanner, self.asked) = (scanner.text, asked)
        (id, name, policy) = (gate.id, gate.name, gate.policy.json)
        (zone, zoneName) = (gate.zone, zones[gate.zone]?.name)
        (fromZone, fromZoneName) = (gate.fromZone, gate.fromZone.flatMap { zones[$0]?.name })
    }

    /// Nil for a policy that this program does not understand.
    var gate: Gate? {
        (try? Policy(json: policy)).map { Gate(id: id, name: name, zone: zone, fromZone: fromZone, policy: $0) }
    }

    /// Whether it is the gate that is asked for now.
    func fits(_ scanner: ScannerID, asked: String?) -> Bool {
        self.scanner == scanner.text && (self.asked == asked || (asked != nil && name == asked))
    }

    static let limitBytes = 65_536

    static func path(_ folder: String) -> String { folder + "/last-gate.json" }

    /// Nil where there is none that can be read.
    static func read(folder: String) -> LastKnownGate? {
        guard let bytes = try? Files.read(path(folder), limit: limitBytes) else { return nil }
        return try? JSONDecoder().decode(LastKnownGate.self, from: Data(bytes))
    }

    /// On the disk when this returns. Throws `SystemError`.
    func write(folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try Files.writeAtomically([UInt8](try encoder.encode(self)), to: LastKnownGate.path(folder))
    }
}
