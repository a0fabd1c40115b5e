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
/// - **Clock.** A tap is looked up on its own day. If its clock is certainly wrong, it is looked up on the day of the
///   latest time known. An admission under an untrusted clock is not forgotten when the clock is corrected. The
///   monotonic clock gives the age of one that was made in this boot: it counts on the day of that moment. While the
///   clock is certainly wrong, it counts for `longestDayMs`. An admission of another boot counts until a passage under
///   a trusted clock follows. Then it counts on the day of that passage.
/// - **Annulment.** Verdict 64 restores the history from before the tag's last admission.
///
/// Takes about 60 bytes a person. Every operation except `dropOldDays` takes constant time.
package struct AntiPassbackMemory: Sendable {
    /// Number of days with passages that are remembered. More than one, because a clock may jump ahead and come back.
    package static let dayLimit = 4

    /// Age up to which an admission may be of the present day, in milliseconds.
    package static let longestDayMs: Int64 = 24 * 3_600_000
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
    /// The latest time of all notes, in milliseconds since 1970.
    private var newestMs: Int64 = .min
    /// The latest monotonic time of all notes, in milliseconds.
    private var newestMonotonicMs: Int64 = .min
    /// Periods in which no clock was trusted, of other boots: the time of the first trusted passage after each, in
    /// milliseconds since 1970; `Int64.max` if no such passage has followed yet.
    private var doubtsEndMs: [Int64] = []
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
    ///   - monotonicMs: the monotonic clock, in milliseconds.
    ///   - days: the starts of the event's days.
    ///   - tree: the zones of the snapshot.
    package func recall(
        _ tag: TagID, attendee: Int64?, zone: Int64, atMs: Int64, clockIsTrusted: Bool, certainMs: Int64,
        monotonicMs: Int64, days: DayStarts, tree: ZoneTree
    ) -> PriorPresence {
        var presence = PriorPresence()
        guard let person = person(tag, attendee) else { return presence }
        // A clock that is only behind the last scan may be right. It may have been ahead at that scan.
        let isPossible = clockIsTrusted || atMs >= certainMs
        let dayMs = days.start(atMs: isPossible ? atMs : max(atMs, newestMs, certainMs), isCertain: isPossible)
        let now = Now(atMs: isPossible ? atMs : nil, monotonicMs: monotonicMs, dayMs: dayMs)
        if let position = zones.id(person.position.zone), counts(person.position, now) {
            presence.isInside = tree.isWithin(position, zone)
        }
        // The admission noted last comes last and therefore decides `admittedMs`.
        person.forEachAdmission { admission in
            guard let into = zones.id(admission.newest.zone), tree.isWithin(into, zone),
                counts(admission.newest, now)
            else { return }
            presence.wasAdmitted = true
            presence.admittedMs = now.ms(of: admission.last.moment)
            presence.admittedGate = gates.id(admission.gate)
        }
        return presence
    }

    /// The time of a look-up.
    private struct Now {
        /// Milliseconds since 1970; `nil` if the clock is certainly wrong.
        let atMs: Int64?
        let monotonicMs: Int64
        /// Start of the day of the look-up.
        let dayMs: Int64

        func age(_ sinceBootMs: Int64) -> Int64 { max(0, monotonicMs - sinceBootMs) }

        /// Returns a moment in milliseconds since 1970; `nil` if it is not known.
        func ms(of moment: PersonHistory.Moment) -> Int64? {
            switch moment {
            case .clock(let ms): ms
            case .sinceBoot(let ms): atMs.map { $0 - age(ms) }
            case .doubted: nil
            }
        }
    }

    /// Whether a passage counts on the day of a look-up.
    private func counts(_ mark: PersonHistory.Mark, _ now: Now) -> Bool {
        if now.dayMs == .min { return true }
        return switch mark.moment {
        case .clock(let ms): ms >= now.dayMs
        case .sinceBoot(let ms):
            now.ms(of: mark.moment).map { $0 >= now.dayMs } ?? (now.age(ms) < AntiPassbackMemory.longestDayMs)
        case .doubted(let period): doubtsEndMs[period] >= now.dayMs
        }
    }

    /// Notes a journaled scan. Only admissions and annulments have an effect.
    ///
    /// - Parameters:
    ///   - scan: the journaled scan.
    ///   - attendee: the tag's attendee number in the snapshot; `nil` if the tag is not in it or there is no snapshot.
    ///   - gate: the gate of the scan; `nil` if it is not known, and then the admission is ignored.
    ///   - days: the starts of the event's days.
    ///   - monotonicMs: the monotonic clock at the scan, in milliseconds; `nil` if it is not known, as for a scan of
    ///     another boot. Needed only for a scan with an untrusted clock.
    package mutating func note(
        _ scan: Scan, attendee: Int64?, gate: Gate?, days: DayStarts, monotonicMs: Int64? = nil
    ) {
        guard scan.tag != .none, !scan.flags.contains(.inspection) else { return }
        switch scan.verdict {
        case .admitted:
            guard let gate else { return }
            admit(scan, attendee, gate, days, monotonicMs)
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
        people = people.filter { mayCount($0.value, sinceMs: firstMs) }
        strangers = strangers.filter { mayCount($0.value, sinceMs: firstMs) }
        let people = people
        owners = owners.filter { people[$0.value] != nil }
        return true
    }

    private func person(_ tag: TagID, _ attendee: Int64?) -> PersonHistory? {
        if let known = attendee ?? owners[tag.rawValue], let person = people[known] { return person }
        return strangers.isEmpty ? nil : strangers[tag.rawValue]
    }

    /// Whether a passage of a person may count on a remembered day.
    private func mayCount(_ person: PersonHistory, sinceMs: Int64) -> Bool {
        person.contains { mark in
            switch mark.moment {
            case .clock(let ms): ms >= sinceMs
            case .sinceBoot(let ms):
                newestMonotonicMs - ms < Int64(AntiPassbackMemory.dayLimit) * AntiPassbackMemory.longestDayMs
            case .doubted(let period): doubtsEndMs[period] >= sinceMs
            }
        }
    }

    /// Returns what is known of the time of an admission, and ends the period of doubt before a trusted one.
    private mutating func moment(of scan: Scan, _ monotonicMs: Int64?) -> PersonHistory.Moment {
        let isInDoubt = doubtsEndMs.last == .max
        guard scan.flags.contains(.clockNotTrusted) else {
            if isInDoubt { doubtsEndMs[doubtsEndMs.count - 1] = scan.atMs }
            return .clock(scan.atMs)
        }
        if let monotonicMs, monotonicMs >= 0 { return .sinceBoot(monotonicMs) }
        if !isInDoubt { doubtsEndMs.append(.max) }
        return .doubted(doubtsEndMs.count - 1)
    }

    private mutating func admit(
        _ scan: Scan, _ attendee: Int64?, _ gate: Gate, _ days: DayStarts, _ monotonicMs: Int64?
    ) {
        let moment = moment(of: scan, monotonicMs)
        let isTrusted = !scan.flags.contains(.clockNotTrusted)
        let ms = isTrusted ? scan.atMs : max(scan.atMs, newestMs)
        newestMs = max(newestMs, ms)
        newestMonotonicMs = max(newestMonotonicMs, monotonicMs ?? .min)
        noteDay(days.start(atMs: ms, isCertain: isTrusted))
        let before = person(scan.tag, attendee)
        var after = before ?? PersonHistory()
        let isOut = scan.flags.contains(.out)
        let zone = isOut ? gate.fromZone.map { zones.number($0) } ?? 0 : zones.number(gate.zone)
        after.move(to: zone, moment)
        if !isOut { after.admit(into: zone, gate: gates.number(gate.id), moment) }
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
