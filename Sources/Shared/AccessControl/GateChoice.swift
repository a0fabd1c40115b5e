package import ScanModel
package import Snapshots

/// Why a lane has no gate. `tapline-gate status` shows the description.
package enum NoGateReason: Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// The lane has no usable snapshot.
    case noSnapshot
    /// The snapshot does not contain the scanner, and the lane's settings name no gate.
    case unknownScanner
    /// The snapshot contains the scanner without a default gate, and the lane's settings name no gate.
    case unassignedScanner
    /// The scanner's default gate is missing in the snapshot.
    case missingGate
    /// No gate of the snapshot has the name in the lane's settings.
    case unknownName

    /// The reason in plain English, as listed in docs/operating/alarms.md.
    package var description: String {
        switch self {
        case .noSnapshot: "there is no snapshot"
        case .unknownScanner: "the snapshot does not contain this scanner, and no gate setting is given"
        case .unassignedScanner: "the snapshot assigns no gate to this scanner, and no gate setting is given"
        case .missingGate: "the scanner's gate is not in the snapshot"
        case .unknownName: "the snapshot has no gate with the name given in the gate setting"
        }
    }
}

/// The gate of a lane: the gate named in its settings, else the scanner's default in the snapshot.
package enum GateChoice: Equatable, Sendable {
    /// The gate that the lane decides for.
    case chosen(Gate)
    /// No gate can be chosen.
    case none(NoGateReason)

    /// The chosen gate; `nil` if none could be chosen.
    package var gate: Gate? {
        switch self {
        case .chosen(let gate): gate
        case .none: nil
        }
    }

    /// Chooses the lane's gate from a snapshot.
    ///
    /// - Parameters:
    ///   - snapshot: the snapshot that the lane decides from.
    ///   - scanner: the identity of this device.
    ///   - name: the gate named in the lane's settings; `nil` for the scanner's default.
    ///   - previous: the lane's gate under the snapshot before. A lane with a named gate keeps it by its number if the
    ///     name no longer exists. So renaming a gate does not close its lanes.
    package init(_ snapshot: Snapshot, scanner: ScannerID, named name: String?, previous: Gate?) {
        guard let name else {
            guard let entry = snapshot.scanners[scanner.text] else {
                self = .none(.unknownScanner)
                return
            }
            guard let id = entry else {
                self = .none(.unassignedScanner)
                return
            }
            self = snapshot.gates[id].map(GateChoice.chosen) ?? .none(.missingGate)
            return
        }
        // Names are unique in the registry. If two are equal, the lower ID is chosen, so that all lanes agree.
        let found = snapshot.gates.values.filter { $0.name == name }.min { $0.id < $1.id }
        let gate = found ?? previous.flatMap { snapshot.gates[$0.id] }
        self = gate.map(GateChoice.chosen) ?? .none(.unknownName)
    }
}
