package import ScanModel
package import Snapshots

/// Which gate of the snapshot a lane is: the one named by `--gate`, else the scanner's default.
package enum GateChoice: Equatable, Sendable {
    case chosen(Gate)
    /// Why none can be.
    case none(String)

    package var gate: Gate? {
        switch self {
        case .chosen(let gate): gate
        case .none: nil
        }
    }

    /// - Parameters:
    ///   - previous: what a lane with `--gate` was under the snapshot before: it stays that gate by its number when it has
    ///     another name now, so that a renamed gate does not close its lanes.
    package init(_ snapshot: Snapshot, scanner: ScannerID, named name: String?, previous: Gate?) {
        guard let name else {
            guard let entry = snapshot.scanners[scanner.text] else {
                self = .none("the snapshot does not list this scanner, and no --gate is given")
                return
            }
            guard let id = entry else {
                self = .none("the snapshot gives this scanner no gate, and no --gate is given")
                return
            }
            self = snapshot.gates[id].map(GateChoice.chosen) ?? .none("the scanner's gate is not in the snapshot")
            return
        }
        // Names are unique in the registry; should two be equal, the first made counts.
        let found = snapshot.gates.values.filter { $0.name == name }.min { $0.id < $1.id }
        let gate = found ?? previous.flatMap { snapshot.gates[$0.id] }
        self = gate.map(GateChoice.chosen) ?? .none("the snapshot has no gate of the name given with --gate")
    }
}
