import AccessControl
import Runtime
import ScanModel
import Snapshots

/// Memory of earlier taps: the presence of each person (anti-passback), and the last tap of each tag (debouncing).
final class TapMemory {
    private let log: Log
    private var presence = AntiPassbackMemory()
    /// Whether persons were noted by their tag because the snapshot could not be read. Then a readable snapshot starts
    /// a replay.
    private(set) var isAnonymous = false
    private var debounce = Debounce()

    init(log: Log) { self.log = log }

    // MARK: Debounce

    /// The verdict of a tap that is read again within the debounce window; `nil` for a new tap.
    ///
    /// - Parameter windowMs: the debounce window; 0 disables debouncing.
    func repeatedVerdict(_ tag: TagID, _ tap: Tap, atMs: Int64, windowMs: Int) -> Debounce.Match? {
        debounce.repeatedTap(tag, tap.direction, tap.proof, atMs: atMs, windowMs: windowMs)
    }

    /// Called when the mode or the snapshot changes: a repeated tap could get another verdict.
    func rulesChanged() { debounce.rulesChanged() }

    /// Makes each following tap a new one. Called when the lane gets another gate.
    func clearDebounce() { debounce.clear() }

    // MARK: Presence

    /// Prior presence of the person at a gate.
    func presence(
        of tag: TagID, _ attendee: Attendee?, at gate: Gate, atMs: Int64, _ clock: LaneClock, snapshot: Snapshot?
    ) -> PriorPresence {
        presence.recall(
            tag, attendee: attendee?.attendee, zone: gate.zone, atMs: atMs, clockIsTrusted: clock.isTrusted,
            certainMs: max((snapshot?.createdS ?? 0) * 1_000, DeviceClock.earliestMs),
            monotonicMs: clock.monotonicMs, days: snapshot?.dayStarts ?? DayStarts(),
            tree: snapshot?.zoneTree ?? ZoneTree())
    }

    /// Notes a journaled scan of a tag.
    ///
    /// - Parameters:
    ///   - attendee: the person of the tag; `nil` if the tag is unknown or the snapshot cannot be read.
    ///   - proof: `nil` for a manual admission, of which every following tap is a repeat.
    ///   - earlier: what was known of the person before the scan.
    ///   - monotonicMs: the monotonic clock, in milliseconds.
    func note(
        _ row: JournaledScan, _ attendee: Attendee?, proof: Tap.Proof?, earlier: PriorPresence = PriorPresence(),
        in binding: SnapshotBinding, monotonicMs: Int64
    ) {
        presence.note(
            row.scan, attendee: attendee?.attendee, gate: binding.gate,
            days: binding.snapshot?.dayStarts ?? DayStarts(), monotonicMs: monotonicMs)
        if row.scan.verdict == .admitted, !binding.isReadable { isAnonymous = true }
        debounce.note(
            Debounce.JournaledTap(journalID: row.journalID, scan: row.scan, proof: proof, presence: earlier))
    }

    /// The start of the earliest remembered day, in milliseconds since 1970-01-01 UTC; `nil` without one.
    var beginsMs: Int64? { presence.beginsMs }

    /// Forgets persons of past days.
    ///
    /// - Returns: `false` if there was nothing to do.
    func performMaintenance() -> Bool { presence.dropOldDays() }

    // MARK: Replay

    /// Result of a replay of the journal.
    struct Replay {
        /// The last mode in the journal; `nil` if none is recent enough to matter.
        var mode: LaneMode?
        /// The newest time of a trusted clock, in milliseconds since 1970-01-01 UTC.
        var newestMs: Int64?
        /// The first error of a look-up in the snapshot.
        var lookupError: (any Error)?
    }

    /// Rebuilds the presence of all persons from the journal, the only source after a restart.
    ///
    /// - Parameter snapshot: maps tags to attendees and gates to zones.
    func replay(_ journal: LaneJournal, _ snapshot: Snapshot) -> Replay {
        var replay = Replay()
        var rebuilt = AntiPassbackMemory()
        var window = ReplayWindow(snapshot.dayStarts)
        do {
            try journal.forEachScan {
                window.add(atMs: $0, isTrusted: $1)
            } note: { scan, monotonicMs in
                if let mode = LaneMode.allCases.first(where: { $0.verdict == scan.verdict }) { replay.mode = mode }
                guard scan.verdict == .admitted || scan.verdict == .annulled else { return }
                var attendee: Attendee?
                do { attendee = try snapshot.attendee(scan.tag) } catch {
                    if replay.lookupError == nil { replay.lookupError = error }
                }
                rebuilt.note(
                    scan, attendee: attendee?.attendee, gate: scan.gate.flatMap { snapshot.gates[$0] },
                    days: snapshot.dayStarts, monotonicMs: monotonicMs)
            }
            presence = rebuilt
            isAnonymous = replay.lookupError != nil
        } catch {
            log.error("presence cannot be restored from the journal", [.error: "\(error)"])
            // A partial memory is better than none.
            if presence.count < rebuilt.count { presence = rebuilt }
        }
        replay.newestMs = window.newestMs
        log.info("presence restored", [.count: rebuilt.count])
        return replay
    }
}

extension LaneMode {
    /// The lane event that records the mode.
    var verdict: Verdict {
        switch self {
        case .normal: .laneNormal
        case .free: .laneFree
        case .closed: .laneClosed
        }
    }
}
