import AccessControl
import FileSystem
import Runtime
import ScanModel
import SnapshotInstall
import Snapshots

/// The snapshot in force, and which gate of it the lane is.
extension Lane {
    /// By the supervisor's order, else by `--gate`; nil: the scanner's own.
    private var asked: String? { orders.assigned ?? settings.gateName }

    /// What the lane was last, where that is still what is asked for: all it has until the first snapshot.
    func beginWithKnownGate() {
        known = LastKnownGate.read(folder: settings.folder)
        chooseKnown()
    }

    func takeSnapshot() {
        guard let next = watch.take() else { return }
        let old = snapshot
        (snapshot, isSnapshotReadable) = (next, true)
        // The lane has begun without one, so it could not know where the gates of its journal lead; or it knows bands where
        // it should know people.
        if old == nil || isMemoryAnonymous { remember() }
        if let old { watch.retire(old) }
        clock.snapshotCreatedS = next.createdS
        debounce.clear()
        choose(next, previous: choice.gate)
        log.info("snapshot in force", [.snapshot: next.version, .gate: choice.gate?.name ?? "none"])
    }

    /// After an order: which gate the lane is now.
    func chooseAnew() {
        if let snapshot { choose(snapshot, previous: nil) } else { chooseKnown() }
    }

    private func choose(_ snapshot: Snapshot, previous: Gate?) {
        choice = GateChoice(snapshot, scanner: settings.scanner, named: asked, previous: previous)
        if case .none(let reason) = choice { log.warning("no gate: every way in is refused", [.reason: reason]) }
        keepChoice(snapshot)
    }

    private func chooseKnown() {
        choice =
            known.flatMap { $0.fits(settings.scanner, asked: asked) ? $0.gate : nil }.map(GateChoice.chosen)
            ?? .none("there is no snapshot")
    }

    private func keepChoice(_ snapshot: Snapshot) {
        let next = choice.gate.map {
            LastKnownGate($0, scanner: settings.scanner, asked: asked, zones: snapshot.zones)
        }
        guard next != known else { return }
        known = next
        do {
            if let next {
                try next.write(folder: settings.folder)
            } else if Files.exists(LastKnownGate.path(settings.folder)) {
                try Files.remove(LastKnownGate.path(settings.folder))
            }
        } catch { log.warning("the gate cannot be kept for a start without a snapshot", [.error: "\(error)"]) }
    }

    func zoneName(_ direction: Direction) -> String? {
        guard let gate = choice.gate, let id = direction == .in ? gate.zone : gate.fromZone else { return nil }
        if let snapshot { return snapshot.zones[id]?.name }
        return direction == .in ? known?.zoneName : known?.fromZoneName
    }
}
