package import ScanModel
package import Snapshots

/// What a lane remembers of the people it has let through, for anti-passback: a plain value, made from the lane's own scans
/// and nothing else, so that a restart makes it again by noting the scans of the journal in their order.
///
/// - **Who.** The person, by the number on the registration list, so that two tags of one person share a memory; a tag
///   that is on no list stands for itself, until a snapshot says whose it is. What was noted while the list could not be
///   read knows bands instead of people: make the memory again once it can.
/// - **Where.** The way in leads into the gate's zone, the way out to the zone before it, or off site.
/// - **Days.** What was noted before the day of a tap began is as good as forgotten (SPEC.md section 6). Each note keeps its
///   instant and the day is asked for at the tap: a new day costs nothing, and a snapshot that moves the beginning of the
///   day forgets nobody. A clock that steps back forgets nothing, as what was noted later than the tap counts too; nor does
///   one that jumps ahead and back, as a note never gets older and hides none of before it.
/// - **Clocks.** A scan whose clock was not trusted counts under the latest instant known, if that is later. A tap is asked
///   for on its own day, unless its clock is certainly wrong: then on that of the latest instant known.
/// - **Annulment.** Verdict 64 brings back what was there before the tag's last admission.
///
/// About 60 bytes a person; everything but `tidy` takes constant time.
package struct AntiPassbackMemory: Sendable {
    /// Days that are remembered, of those on which somebody passed. More than today: a clock may jump ahead and come back.
    package static let dayLimit = 4

    private static let shortestDayMs: Int64 = 12 * 3_600_000

    /// By the number on the registration list.
    private var people: [Int64: Person] = [:]
    /// By tag ID: those on no list.
    private var strangers: [Int64: Person] = [:]
    /// Whose tag it was when it last passed: while the snapshot cannot be read, a tag is all there is.
    private var owners: [Int64: Int64] = [:]
    /// Numbers that stand for zones in the notes.
    private var zones = ZoneNumbers()
    private var undo = UndoLog()
    /// The latest instant of all notes.
    private var newestMs: Int64 = .min
    /// The beginnings of the latest days with notes, in the order in which they were noted last; more than `dayLimit` where
    /// there is something to tidy.
    private var daysMs: [Int64] = []

    package init() {}

    /// Room for so many people, so that the first crowd does not wait for the table to grow.
    package init(capacity: Int) {
        people.reserveCapacity(capacity)
        owners.reserveCapacity(capacity)
    }

    /// People and unlisted tags that are remembered.
    package var count: Int { people.count + strangers.count }

    /// The beginning of the earliest day that is remembered, in milliseconds since 1970; nil where none has a beginning.
    package var beginsMs: Int64? { daysMs.filter { $0 != .min }.min() }

    /// What is remembered of the person who taps at the gate to go in.
    ///
    /// - Parameters:
    ///   - attendee: the person's number on the registration list; nil: not listed, or the list cannot be read.
    ///   - zone: into which the gate leads.
    ///   - certainMs: an instant that has passed for certain, that at which the snapshot was made.
    package func recall(
        _ tag: TagID, attendee: Int64?, zone: Int64, atMs: Int64, clockIsTrusted: Bool, certainMs: Int64,
        days: DayStarts, tree: ZoneTree
    ) -> PriorPresence {
        var recollection = PriorPresence()
        guard let person = person(tag, attendee) else { return recollection }
        // A clock that is only behind the last scan may be right now, and have been ahead then.
        let dayMs = days.start(atMs: clockIsTrusted || atMs >= certainMs ? atMs : max(atMs, newestMs))
        if let position = zones.id(person.position.zone), person.position.ms >= dayMs {
            recollection.isInside = tree.isWithin(position, zone)
        }
        // The last noted comes last.
        person.forEachAdmission { admission in
            guard let into = zones.id(admission.newest.zone), tree.isWithin(into, zone),
                admission.newest.ms >= dayMs
            else { return }
            recollection.wasAdmitted = true
            recollection.admittedMs = admission.last.isTrusted ? admission.last.ms : nil
        }
        return recollection
    }

    /// Notes a scan that is in the journal, whatever it is: only those that moved somebody count.
    ///
    /// - Parameters:
    ///   - attendee: as the snapshot says of the tag; nil: not listed, or no list.
    ///   - gate: at which the scan was made; nil: not known, and then it is not known where the person went.
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

    /// Forgets those who passed last before the days that are remembered. Takes a few milliseconds once a day, and then a
    /// good moment is one without taps. False: there was nothing to do.
    @discardableResult
    package mutating func tidy() -> Bool {
        guard daysMs.count > AntiPassbackMemory.dayLimit else { return false }
        daysMs.removeFirst(daysMs.count - AntiPassbackMemory.dayLimit)
        let firstMs = daysMs.min() ?? .min
        people = people.filter { $0.value.newestMs >= firstMs }
        strangers = strangers.filter { $0.value.newestMs >= firstMs }
        let people = people
        owners = owners.filter { people[$0.value] != nil }
        return true
    }

    private func person(_ tag: TagID, _ attendee: Int64?) -> Person? {
        if let known = attendee ?? owners[tag.rawValue], let person = people[known] { return person }
        return strangers.isEmpty ? nil : strangers[tag.rawValue]
    }

    private mutating func admit(_ scan: Scan, _ attendee: Int64?, _ gate: Gate, _ days: DayStarts) {
        let isTrusted = !scan.flags.contains(.clockNotTrusted)
        let ms = isTrusted ? scan.atMs : max(scan.atMs, newestMs)
        newestMs = max(newestMs, ms)
        see(days.start(atMs: ms))
        let before = person(scan.tag, attendee)
        var after = before ?? Person()
        let isOut = scan.flags.contains(.out)
        let zone = isOut ? gate.fromZone.map { zones.number($0) } ?? 0 : zones.number(gate.zone)
        after.move(to: zone, ms)
        if !isOut { after.admit(into: zone, ms, lastMs: scan.atMs, isTrusted: isTrusted) }
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
        guard let entry = undo.take(scan.tag) else { return }
        // What happened to the person since, with another tag, stays.
        if let owner = entry.owner {
            if people[owner] == entry.after { people[owner] = entry.before }
        } else if strangers[scan.tag.rawValue] == entry.after {
            strangers[scan.tag.rawValue] = entry.before
        }
    }

    private mutating func see(_ dayMs: Int64) {
        // A snapshot may move the beginning of a day by some hours: no new day.
        let near = max(dayMs, 0)
        let known = daysMs.firstIndex { $0 == dayMs || abs(max($0, 0) - near) < AntiPassbackMemory.shortestDayMs }
        // By the order of the notes, not of the days: a clock that was ahead for a while does not push the present day out.
        daysMs.append(known.map { daysMs.remove(at: $0) } ?? dayMs)
    }
}
