import DataFolder
import FileSystem
import FoundationEssentials
import ScanModel
import Snapshots

/// `last-gate.json`: the gate that this lane used last, with its policy.
///
/// Needed for a start without a readable snapshot: the policy for that case must survive a power cut. The file is
/// durable and replaced as a whole.
struct LastKnownGate: Codable, Hashable {
    var scanner: String
    /// The name of the assigned or configured gate; `nil` for the scanner's own.
    var wanted: String?
    var id: Int64
    var name: String
    var zone: Int64
    var zoneName: String?
    var fromZone: Int64?
    var fromZoneName: String?
    /// JSON, as in the snapshot.
    var policy: String
    /// The event's rule for codes; `nil` in files of older programs.
    var codeCase: String?

    init(_ gate: Gate, scanner: ScannerID, wanted: String?, zones: [Int64: Zone], codeCase: CodeCase) {
        self.scanner = scanner.text
        self.wanted = wanted
        id = gate.id
        name = gate.name
        policy = gate.policy.json
        self.codeCase = codeCase.rawValue
        zone = gate.zone
        zoneName = zones[gate.zone]?.name
        fromZone = gate.fromZone
        fromZoneName = gate.fromZone.flatMap { zones[$0]?.name }
    }

    private enum CodingKeys: String, CodingKey {
        case scanner, id, name, zone, zoneName, fromZone, fromZoneName, policy, codeCase
        case wanted = "asked"
    }

    /// `nil` for a policy that this version does not understand.
    var gate: Gate? {
        (try? Policy(json: policy)).map { Gate(id: id, name: name, zone: zone, fromZone: fromZone, policy: $0) }
    }

    /// Whether it is the gate that this scanner should use.
    ///
    /// - Parameter wanted: the name of the assigned or configured gate; `nil` for the scanner's own.
    func fits(_ scanner: ScannerID, wanted: String?) -> Bool {
        self.scanner == scanner.text && (self.wanted == wanted || (wanted != nil && name == wanted))
    }

    /// Maximum size of the file that is read.
    static let limitBytes = 65_536

    /// Reads the file; `nil` if it is missing or invalid.
    static func read(folder: String) -> LastKnownGate? {
        guard let bytes = try? Files.read(DataFolderPaths.lastKnownGate(folder), limit: limitBytes) else { return nil }
        return try? JSONDecoder().decode(LastKnownGate.self, from: Data(bytes))
    }

    /// Writes the file. It is on the disk when this returns.
    ///
    /// - Throws: `SystemError`.
    func write(folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try Files.writeAtomically([UInt8](try encoder.encode(self)), to: DataFolderPaths.lastKnownGate(folder))
    }
}
