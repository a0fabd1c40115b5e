import Journal
import Runtime
import Scans
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
        var state = Decision.SnapshotState.unusable
        if let snapshot {
            do {
                attendee = try snapshot.attendee(tag)
                state = .inForce(expiresS: snapshot.expiresS)
            } catch { log.error("snapshot cannot be read", [.snapshot: snapshot.version, .error: "\(error)"]) }
        }
        let pass = attendee.flatMap { snapshot?.passes[$0.pass] }
        let tree = snapshot?.zoneTree ?? ZoneTree()
        var recollection = Decision.Recollection()
        if tap.direction == .in, let gate = choice.gate {
            recollection = memory.recall(
                tag, attendee: attendee?.attendee, zone: gate.zone, atMs: atMs, clockIsTrusted: isClockTrusted,
                days: snapshot?.dayStarts ?? DayStarts(), tree: tree)
        }
        let facts = Decision.Facts(
            direction: tap.direction, atMs: atMs, clockIsTrusted: isClockTrusted, proof: tap.proof,
            isReplayed: isReplayed, mode: orders.mode, isInspection: settings.isInspection, gate: choice.gate,
            snapshot: state, attendee: attendee, pass: pass, zones: tree, memory: recollection)
        return Found(decision: Decision(facts), attendee: attendee, pass: pass, isReplayed: isReplayed)
    }

    /// Notes a scan of a tag that is in the journal: who is where, and what a repeat is told.
    func note(_ id: JournalID, _ scan: Scan, _ attendee: Attendee?) {
        memory.note(
            scan, attendee: attendee?.attendee, gate: choice.gate, days: snapshot?.dayStarts ?? DayStarts())
        debounce.note(Debounce.Answer(log: id, scan: scan))
    }

    /// Makes the memory anew from the journal, which is all that a restart has. Without a snapshot it is not known where the
    /// gates lead: then this waits for the first.
    func remember() {
        guard let journal, let snapshot else { return }
        memory = LaneMemory()
        do {
            try journal.forEachScan(sinceMs: rememberFromMs(snapshot)) { scan in
                if let mode = LaneMode.allCases.first(where: { $0.verdict == scan.verdict }) { loggedMode = mode }
                guard scan.verdict == .admitted || scan.verdict == .annulled else { return }
                memory.note(
                    scan, attendee: try snapshot.attendee(scan.tag)?.attendee,
                    gate: scan.gate.flatMap { snapshot.gates[$0] }, days: snapshot.dayStarts)
            }
        } catch { log.error("who is inside cannot be read back", [.error: "\(error)"]) }
        log.info("memory read back", [.count: memory.count])
    }

    /// The beginning of the days that are remembered; without days in the snapshot there is but one, and it has no beginning.
    private func rememberFromMs(_ snapshot: Snapshot) -> Int64 {
        let newestS = max(SystemClock.nowMicroseconds() / 1_000, clock.lastScanMs ?? 0) / 1_000
        let begun = snapshot.days.filter { $0.starts <= newestS }.suffix(LaneMemory.dayLimit)
        return begun.first.map { $0.starts * 1_000 } ?? .min
    }
}
