import AccessControl
import DataFolder
import FileSystem
import Runtime
import ScanModel
import SnapshotInstall
import Snapshots

/// The snapshot in use, and the lane's gate in it.
final class SnapshotBinding {
    private let settings: Lane.Settings
    private let reloader: SnapshotReloader
    private let commands: CommandStore
    private let journal: LaneJournal
    private let memory: TapMemory
    private let clock: LaneClock
    private let log: Log

    private(set) var snapshot: Snapshot?
    /// `false` after a look-up failed, until another snapshot is used.
    private(set) var isReadable = true
    private(set) var choice = GateChoice.none(.noSnapshot) {
        didSet { if !choice.leadsAs(oldValue) { memory.clearDebounce() } }
    }
    /// The last known gate, as it stands on the disk.
    private var lastKnown: LastKnownGate?
    private var hasUnreportedFault = false

    /// Starts with the last known gate; `reload` takes the snapshot.
    init(
        settings: Lane.Settings, reloader: SnapshotReloader, commands: CommandStore, journal: LaneJournal,
        memory: TapMemory, clock: LaneClock, log: Log
    ) {
        self.settings = settings
        self.reloader = reloader
        self.commands = commands
        self.journal = journal
        self.memory = memory
        self.clock = clock
        self.log = log
        lastKnown = LastKnownGate.read(folder: settings.folder)
        chooseLastKnown()
    }

    var gate: Gate? { choice.gate }
    /// What each row of the journal records.
    var rowContext: RowContext { RowContext(gate: choice.gate?.id, snapshot: snapshot?.version ?? 0) }
    /// Whether the lane uses an older snapshot because the installed one cannot be opened or read.
    var usesOlderSnapshot: Bool { snapshot != nil && reloader.isOlderThanCurrent }

    /// Whether the installed snapshot was made with another event key. The lane keeps the one that it has.
    var rejectsOtherKey: Bool { reloader.isCurrentOfOtherKey }

    /// Whether a look-up has failed since the last call.
    func takeFault() -> Bool {
        defer { hasUnreportedFault = false }
        return hasUnreportedFault
    }

    // MARK: Look up

    /// Computes the tag ID of an identity by the event's rule for codes, which the snapshot carries.
    func tagID(of identity: TagIdentity) -> TagID {
        let codeCase = snapshot?.codeCase ?? lastKnown?.codeCase.flatMap { CodeCase(rawValue: $0) } ?? .exact
        return settings.key.tagID(of: identity, by: codeCase)
    }

    /// Looks up the tag. A read error makes the snapshot unusable for this tap and starts a reload.
    ///
    /// - Returns: the person of the tag, `nil` if the tag is unknown; and whether the snapshot was readable.
    func lookUp(_ tag: TagID) -> (attendee: Attendee?, validity: SnapshotValidity) {
        guard let snapshot else { return (nil, .unusable) }
        do { return (try snapshot.attendee(tag), .usable(expiresS: snapshot.expiresS)) } catch {
            lookupFailed(snapshot, error)
            return (nil, .unusable)
        }
    }

    /// The person of the tag; `nil` if the tag is unknown or the snapshot cannot be read.
    func attendee(_ tag: TagID) -> Attendee? { (try? snapshot?.attendee(tag)) ?? nil }

    func pass(of attendee: Attendee?) -> Pass? { attendee.flatMap { snapshot?.passes[$0.pass] } }

    /// The name of the zone that a tap leads into; `nil` if it leads off site or the zone is not known.
    func zoneName(_ direction: Direction) -> String? {
        guard let gate = choice.gate, let id = direction == .in ? gate.zone : gate.fromZone else { return nil }
        if let snapshot { return snapshot.zones[id]?.name }
        return direction == .in ? lastKnown?.zoneName : lastKnown?.fromZoneName
    }

    /// The name of a gate; `nil` if the snapshot does not contain it.
    func gateName(_ id: Int64) -> String? {
        snapshot?.gates[id]?.name ?? choice.gate.flatMap { $0.id == id ? $0.name : nil }
    }

    /// Asks the reloader for a snapshot that can be read, if necessary the previous one.
    private func lookupFailed(_ snapshot: Snapshot, _ error: any Error) {
        log.error("snapshot cannot be read", [.snapshot: snapshot.version, .error: "\(error)"])
        isReadable = false
        reloader.reportUnreadable(snapshot.version)
        hasUnreportedFault = true
    }

    // MARK: Reload

    /// Switches to the snapshot that the reloader has opened, if there is a new one. Never waits.
    func reload() {
        guard let next = reloader.nextSnapshot() else { return }
        let previous = snapshot
        snapshot = next
        isReadable = true
        // Without a snapshot, the zones of the journaled gates were unknown. With an unreadable one, persons were noted
        // by their tags.
        if previous == nil || memory.isAnonymous { replay(next) }
        if let previous { reloader.retire(previous) }
        clock.noteSnapshot(createdS: next.createdS)
        memory.rulesChanged()
        choose(next, previous: choice.gate)
        log.info("snapshot in use", [.snapshot: next.version, .gate: choice.gate?.name ?? "none"])
    }

    private func replay(_ snapshot: Snapshot) {
        guard journal.id != nil else { return }
        let replay = memory.replay(journal, snapshot)
        if let error = replay.lookupError { lookupFailed(snapshot, error) }
        if let newestMs = replay.newestMs { clock.noteScan(atMs: newestMs) }
        if let mode = replay.mode { commands.noteJournaled(mode) }
    }

    // MARK: Gate

    /// The name of the assigned gate, otherwise of the configured one; `nil` for the scanner's own.
    private var wantedName: String? { commands.assigned ?? settings.gateName }

    /// Chooses the gate after an assignment.
    func chooseGate() {
        if let snapshot { choose(snapshot, previous: nil) } else { chooseLastKnown() }
    }

    private func choose(_ snapshot: Snapshot, previous: Gate?) {
        choice = GateChoice(snapshot, scanner: settings.scanner, named: wantedName, previous: previous)
        if case .none(let reason) = choice { log.warning("no gate: entries are rejected", [.reason: reason]) }
        saveLastKnown(snapshot)
    }

    private func chooseLastKnown() {
        let gate = lastKnown.flatMap { $0.fits(settings.scanner, wanted: wantedName) ? $0.gate : nil }
        choice = gate.map(GateChoice.chosen) ?? .none(.noSnapshot)
    }

    private func saveLastKnown(_ snapshot: Snapshot) {
        let next = choice.gate.map {
            LastKnownGate(
                $0, scanner: settings.scanner, wanted: wantedName, zones: snapshot.zones, codeCase: snapshot.codeCase)
        }
        guard next != lastKnown else { return }
        lastKnown = next
        do {
            if let next {
                try next.write(folder: settings.folder)
            } else if Files.exists(DataFolderPaths.lastKnownGate(settings.folder)) {
                try Files.remove(DataFolderPaths.lastKnownGate(settings.folder))
            }
        } catch { log.warning("gate not saved for a start without a snapshot", [.error: "\(error)"]) }
    }
}

extension GateChoice {
    /// Whether a tap leads from the same zone into the same zone, through the same gate.
    fileprivate func leadsAs(_ other: GateChoice) -> Bool {
        gate?.id == other.gate?.id && gate?.zone == other.gate?.zone && gate?.fromZone == other.gate?.fromZone
    }
}
