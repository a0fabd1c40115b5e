package import ScanModel
package import Snapshots

/// A lane's memory of the people it has admitted, for anti-passback.
///
/// A plain value, made only from the lane's own scans. A restart rebuilds it by noting the scans of the journal in
/// order.
///
/// - **Person.** People are identified by attendee number, so that two tags of one person share a history. A tag that
///   is in no snapshot has a separate history until a snapshot names its attendee. Scans noted while no snapshot is
///   readable are kept by tag; rebuild the memory once a snapshot is readable.
/// - **Place.** An entry leads into the gate's zone. An exit leads to the gate's `fromZone`, or off site.
/// - **Day.** Notes from before the day of a tap do not count (contract.md section 6). Each note keeps its time, and
///   the day is computed at the tap. So a new day costs nothing, and a snapshot that moves the start of a day loses no
///   notes. Clock steps lose no notes: notes later than the tap count, and the time of a note never decreases.
/// - **Clock.** A scan with an untrusted clock counts under the latest time known, if that is later. A tap is looked up
///   on its own day. If its clock is certainly wrong, it is looked up on the day of the latest time known.
/// - **Annulment.** Verdict 64 restores the history from before the tag's last admission.
///
/// Takes about 60 bytes a person. Every operation except `dropOldDays` takes constant time.
package struct AntiPassbackMemory: Sendable {
    /// Number of days with passages that are remembered. More than one, because a clock may jump ahead and come back.
    package static let dayLimit = 4

    private static let shortestDayMs: Int64 = 12 * 3_600_000

    /// By attendee number.
    private var people: [Int64: PersonHistory] = [:]
    /// By tag ID: tags that are in no snapshot.
    private var strangers: [Int64: PersonHistory] = [:]
    /// Attendee number of each tag at its last passage. While the snapshot is unreadable, only the tag is known.
    private var owners: [Int64: Int64] = [:]
    private var zones = PlaceNumbers()
    private var gates = PlaceNumbers()
    private var undo = UndoLog()
    /// The latest time of all notes.
    private var newestMs: Int64 = .min
    /// Starts of the latest days with notes, in the order in which they were noted last. More than `dayLimit` if
    /// `dropOldDays` has work to do.
    private var daysMs: [Int64] = []

    /// Creates an empty memory.
    package init() {}

    /// - Parameter capacity: number of people to reserve room for, so that no tap waits for the table to grow.
    package init(capacity: Int) {
        people.reserveCapacity(capacity)
        owners.reserveCapacity(capacity)
    }

    /// Number of people and unlisted tags that are remembered.
    package var count: Int { people.count + strangers.count }

    /// Start of the earliest remembered day, in milliseconds since 1970; `nil` if no remembered day has a start.
    package var beginsMs: Int64? { daysMs.filter { $0 != .min }.min() }

    /// Returns what is remembered of a person who taps at a gate to enter.
    ///
    /// - Parameters:
    ///   - tag: the tag that was tapped.
    ///   - attendee: the attendee number; `nil` if the tag is not in the snapshot or there is no readable one.
    ///   - zone: the zone that the gate leads into.
    ///   - atMs: time of the tap, in milliseconds since 1970.
    ///   - clockIsTrusted: whether that time is trusted.
    ///   - certainMs: a time that has certainly passed, such as the creation of the snapshot, in milliseconds since
    ///     1970.
    ///   - days: the starts of the event's days.
    ///   - tree: the zones of the snapshot.
    package func recall(
        _ tag: TagID, attendee: Int64?, zone: Int64, atMs: Int64, clockIsTrusted: Bool, certainMs: Int64,
        days: DayStarts, tree: ZoneTree
    ) -> PriorPresence {
        var presence = PriorPresence()
        guard let person = person(tag, attendee) else { return presence }
        // A clock that is only behind the last scan may be right. It may have been ahead at that scan.
        let isCertain = clockIsTrusted || atMs >= certainMs
        let dayMs = days.start(atMs: isCertain ? atMs : max(atMs, newestMs), isCertain: isCertain)
        if let position = zones.id(person.position.zone), person.position.ms >= dayMs {
            presence.isInside = tree.isWithin(position, zone)
        }
        // The admission noted last comes last and therefore decides `admittedMs`.
        person.forEachAdmission { admission in
            guard let into = zones.id(admission.newest.zone), tree.isWithin(into, zone),
                admission.newest.ms >= dayMs
            else { return }
            presence.wasAdmitted = true
            presence.admittedMs = admission.last.isTrusted ? admission.last.ms : nil
            presence.admittedGate = gates.id(admission.gate)
        }
        return presence
    }

    /// Notes a journaled scan. Only admissions and annulments have an effect.
    ///
    /// - Parameters:
    ///   - scan: the journaled scan.
    ///   - attendee: the tag's attendee number in the snapshot; `nil` if the tag is not in it or there is no snapshot.
    ///   - gate: the gate of the scan; `nil` if it is not known, and then the admission is ignored.
    ///   - days: the starts of the event's days.
    package mutating func note(_ scan: Scan, attendee: Int64?, gate: Gate?, days: DayStarts) {
        guard scan.tag != .none, !scan.flags.contains(.inspection) else { return }
        switch scan.verdict {
        case .admitted:
            guard let gate else { return }
            admit(scan, attendee, gate, days)
        case .annulled: annul(scan)
        default: return
        }
    }

    /// Forgets people whose last passage was before the remembered days.
    ///
    /// Takes a few milliseconds once a day, so call it while no tap is queued.
    /// - Returns: `false` if there was nothing to do.
    @discardableResult
    package mutating func dropOldDays() -> Bool {
        guard daysMs.count > AntiPassbackMemory.dayLimit else { return false }
        daysMs.removeFirst(daysMs.count - AntiPassbackMemory.dayLimit)
        let firstMs = daysMs.min() ?? .min
        people = people.filter { $0.value.newestMs >= firstMs }
        strangers = strangers.filter { $0.value.newestMs >= firstMs }
        let people = people
        owners = owners.filter { people[$0.value] != nil }
        return true
    }

    private func person(_ tag: TagID, _ attendee: Int64?) -> PersonHistory? {
        if let known = attendee ?? owners[tag.rawValue], let person = people[known] { return person }
        return strangers.isEmpty ? nil : strangers[tag.rawValue]
    }

    private mutating func admit(_ scan: Scan, _ attendee: Int64?, _ gate: Gate, _ days: DayStarts) {
        let isTrusted = !scan.flags.contains(.clockNotTrusted)
        let ms = isTrusted ? scan.atMs : max(scan.atMs, newestMs)
        newestMs = max(newestMs, ms)
        noteDay(days.start(atMs: ms, isCertain: isTrusted))
        let before = person(scan.tag, attendee)
        var after = before ?? PersonHistory()
        let isOut = scan.flags.contains(.out)
        let zone = isOut ? gate.fromZone.map { zones.number($0) } ?? 0 : zones.number(gate.zone)
        after.move(to: zone, ms)
        if !isOut {
            after.admit(into: zone, gate: gates.number(gate.id), ms, lastMs: scan.atMs, isTrusted: isTrusted)
        }
        let owner = attendee ?? owners[scan.tag.rawValue]
        if let owner {
            people[owner] = after
            if let attendee { owners[scan.tag.rawValue] = attendee }
            if !strangers.isEmpty { strangers[scan.tag.rawValue] = nil }
        } else {
            strangers[scan.tag.rawValue] = after
        }
        undo.note(scan.tag, UndoLog.Entry(owner: owner, before: before, after: after))
    }

    private mutating func annul(_ scan: Scan) {
        guard let entry = undo.remove(scan.tag) else { return }
        // Restore only if the history is unchanged: later passages with another tag of the person stay.
        if let owner = entry.owner {
            if people[owner] == entry.after { people[owner] = entry.before }
        } else if strangers[scan.tag.rawValue] == entry.after {
            strangers[scan.tag.rawValue] = entry.before
        }
    }

    private mutating func noteDay(_ dayMs: Int64) {
        // A snapshot may move the start of a day by some hours. That does not make another day.
        let near = max(dayMs, 0)
        let known = daysMs.firstIndex { $0 == dayMs || abs(max($0, 0) - near) < AntiPassbackMemory.shortestDayMs }
        // In the order of the notes, not of the days: a clock that was ahead must not evict the present day.
        daysMs.append(known.map { daysMs.remove(at: $0) } ?? dayMs)
    }
}
