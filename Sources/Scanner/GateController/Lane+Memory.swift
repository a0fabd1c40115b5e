import AccessControl
import Runtime
import ScanJournal
import ScanModel
import SnapshotInstall
import Snapshots

/// What the lane knows of people: the list, and its own memory of who is where.
extension Lane {
    /// What was found out about a tap.
    struct Found {
        var decision: Decision
        var attendee: Attendee?
        var pass: Pass?
        var isReplayed = false
    }

    func decide(_ tag: TagID, _ tap: Tap, _ atMs: Int64, isReplayed: Bool) -> Found {
        var attendee: Attendee?
        var state = SnapshotValidity.unusable
        if let snapshot {
            do {
                attendee = try snapshot.attendee(tag)
                state = .usable(expiresS: snapshot.expiresS)
            } catch { snapshotFailed(snapshot, error) }
        }
        let pass = attendee.flatMap { snapshot?.passes[$0.pass] }
        let tree = snapshot?.zoneTree ?? ZoneTree()
        var recollection = PriorPresence()
        if tap.direction == .in, let gate = choice.gate {
            recollection = memory.recall(
                tag, attendee: attendee?.attendee, zone: gate.zone, atMs: atMs, clockIsTrusted: isClockTrusted,
                certainMs: (snapshot?.createdS ?? 0) * 1_000, days: snapshot?.dayStarts ?? DayStarts(), tree: tree)
        }
        let facts = DecisionInput(
            direction: tap.direction, atMs: atMs, clockIsTrusted: isClockTrusted, proof: tap.proof,
            isReplayed: isReplayed, mode: orders.mode, isInspection: settings.isInspection, gate: choice.gate,
            snapshot: state, attendee: attendee, pass: pass, zones: tree, memory: recollection)
        return Found(decision: Decision(facts), attendee: attendee, pass: pass, isReplayed: isReplayed)
    }

    /// Notes a scan of a tag that is in the journal: who is where, and what a repeat is told.
    func note(_ id: JournalID, _ scan: Scan, _ attendee: Attendee?, _ proof: Tap.Proof?) {
        memory.note(
            scan, attendee: attendee?.attendee, gate: choice.gate, days: snapshot?.dayStarts ?? DayStarts())
        if scan.verdict == .admitted, !isSnapshotReadable { isMemoryAnonymous = true }
        debounce.note(Debounce.Answer(journalID: id, scan: scan, proof: proof))
    }

    /// The watching thread is told, and brings a snapshot that can be read, if it is the one before.
    private func snapshotFailed(_ snapshot: Snapshot, _ error: any Error) {
        log.error("snapshot cannot be read", [.snapshot: snapshot.version, .error: "\(error)"])
        isSnapshotReadable = false
        watch.reportUnreadable(snapshot.version)
        lookSoon()
    }

    /// Makes the memory anew from the journal, which is all that a restart has. Without a snapshot it is not known where the
    /// gates lead: then this waits for the first.
    func remember() {
        guard let journal, let snapshot else { return }
        var memory = AntiPassbackMemory()
        var isAnonymous = false
        var lookBack = ReplayWindow(snapshot.dayStarts)
        do {
            try journal.forEachScan {
                lookBack.add(atMs: $0, isTrusted: $1)
            } note: { scan in
                if let mode = LaneMode.allCases.first(where: { $0.verdict == scan.verdict }) { loggedMode = mode }
                guard scan.verdict == .admitted || scan.verdict == .annulled else { return }
                var attendee: Attendee?
                do { attendee = try snapshot.attendee(scan.tag) } catch {
                    if !isAnonymous { snapshotFailed(snapshot, error) }
                    isAnonymous = true
                }
                memory.note(
                    scan, attendee: attendee?.attendee, gate: scan.gate.flatMap { snapshot.gates[$0] },
                    days: snapshot.dayStarts)
            }
            (self.memory, isMemoryAnonymous) = (memory, isAnonymous)
        } catch {
            log.error("who is inside cannot be read back", [.error: "\(error)"])
            // Some is better than none.
            if self.memory.count < memory.count { self.memory = memory }
        }
        if let newestMs = lookBack.newestMs { clock.lastScanMs = max(clock.lastScanMs ?? newestMs, newestMs) }
        log.info("memory read back", [.count: memory.count])
    }
}
