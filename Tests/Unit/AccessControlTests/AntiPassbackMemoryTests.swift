import AccessControl
import ScanModel
import Snapshots
import Testing

private let site: Int64 = 1
private let hall: Int64 = 2
private let tree = ZoneTree([
    site: Zone(id: site, name: "Site"), hall: Zone(id: hall, name: "Hall", parent: site),
])
private let entrance = Gate(id: 7, name: "Entrance", zone: site)
private let door = Gate(id: 8, name: "Door", zone: hall, fromZone: site)
private let hourMs: Int64 = 3_600_000
private let dayMs: Int64 = 24 * hourMs
private let firstTag = TagID(rawValue: 77)
private let secondTag = TagID(rawValue: 78)

/// Twelve days, each of which starts at `hour`.
private func days(_ hour: Int64 = 4) -> DayStarts {
    DayStarts((0..<12).map { Day(day: "", starts: ($0 * dayMs + hour * hourMs) / 1_000, ends: 0) })
}

/// A memory and the scans that it was made from.
private struct Notes {
    var memory = AntiPassbackMemory()
    var scans: [(Scan, Gate)] = []

    mutating func note(
        _ tag: TagID = firstTag, _ verdict: Verdict = .admitted, _ flags: Flags = [],
        at gate: Gate = entrance,
        ms atMs: Int64, person attendee: Int64? = 11, sinceBoot monotonicMs: Int64? = nil
    ) {
        let scan = Scan(
            seq: Int64(scans.count + 1), atMs: atMs, tag: tag, verdict: verdict, flags: flags,
            gate: gate.id,
            snapshot: 1)
        memory.note(scan, attendee: attendee, gate: gate, days: days(), monotonicMs: monotonicMs)
        scans.append((scan, gate))
    }

    func recall(
        _ tag: TagID = firstTag, zone: Int64 = site, ms atMs: Int64, isTrusted: Bool = true,
        days: DayStarts = days(),
        person attendee: Int64? = 11, sinceBoot monotonicMs: Int64 = 0
    ) -> PriorPresence {
        memory.recall(
            tag, attendee: attendee, zone: zone, atMs: atMs, clockIsTrusted: isTrusted, certainMs: dayMs,
            monotonicMs: monotonicMs, days: days, tree: tree)
    }
}

@Suite struct AntiPassbackMemoryTests {
    private let noon = 2 * dayMs + 12 * hourMs

    @Test func personIsInsideFromAdmissionToExit() {
        var notes = Notes()
        #expect(notes.recall(ms: noon) == PriorPresence())
        notes.note(ms: noon)
        #expect(
            notes.recall(ms: noon + 1)
                == PriorPresence(isInside: true, wasAdmitted: true, admittedMs: noon, admittedGate: 7))
        #expect(notes.recall(zone: hall, ms: noon + 1) == PriorPresence())
        notes.note(firstTag, .admitted, .out, ms: noon + 2)
        #expect(
            notes.recall(ms: noon + 3)
                == PriorPresence(isInside: false, wasAdmitted: true, admittedMs: noon, admittedGate: 7))
    }

    @Test func innerZoneCountsAsOuterZone() {
        var notes = Notes()
        notes.note(at: door, ms: noon)
        #expect(
            notes.recall(zone: site, ms: noon + 1).isInside
                && notes.recall(zone: hall, ms: noon + 1).isInside)
        notes.note(firstTag, .admitted, .out, at: door, ms: noon + 2)
        #expect(
            notes.recall(zone: site, ms: noon + 3).isInside
                && !notes.recall(zone: hall, ms: noon + 3).isInside)
    }

    @Test func onlyAdmissionsOfTagsAreNoted() {
        var notes = Notes()
        notes.note(firstTag, .noAccess, ms: noon)
        notes.note(firstTag, .admitted, .inspection, ms: noon)
        notes.note(.none, .admittedManually, ms: noon)
        notes.note(.none, .admitted, ms: noon)
        #expect(notes.memory.count == 0)
    }

    @Test func twoTagsOfOnePersonShareAHistory() {
        var notes = Notes()
        notes.note(firstTag, ms: noon)
        #expect(notes.recall(secondTag, ms: noon + 1).isInside)
        #expect(!notes.recall(secondTag, ms: noon + 1, person: 12).isInside)
        notes.note(secondTag, .admitted, .out, ms: noon + 2)
        #expect(!notes.recall(firstTag, ms: noon + 3).isInside)
    }

    @Test func tagIsRememberedWithoutASnapshot() {
        var notes = Notes()
        notes.note(firstTag, ms: noon)
        #expect(notes.recall(firstTag, ms: noon + 1, person: nil).isInside)
        notes.note(firstTag, .admitted, .out, ms: noon + 2, person: nil)
        #expect(!notes.recall(firstTag, ms: noon + 3).isInside)
        // A tag that a later snapshot contains.
        notes.note(secondTag, ms: noon + 4, person: nil)
        #expect(notes.recall(secondTag, ms: noon + 5, person: nil).isInside)
        #expect(notes.recall(secondTag, ms: noon + 5, person: 12).isInside)
        notes.note(secondTag, .admitted, .out, ms: noon + 6, person: 12)
        #expect(!notes.recall(secondTag, ms: noon + 7, person: 12).isInside && notes.memory.count == 2)
    }

    @Test func newDayStartsEmpty() {
        var notes = Notes()
        notes.note(ms: noon)
        let morning = 3 * dayMs + 4 * hourMs
        #expect(notes.recall(ms: morning - 1).isInside)
        #expect(notes.recall(ms: morning) == PriorPresence())
        // A snapshot that moves the start of the day loses no note of this day.
        #expect(notes.recall(ms: noon + hourMs, days: days(11)).isInside)
        #expect(!notes.recall(ms: noon + 2 * hourMs, days: days(13)).isInside)
        // An event without days has one endless day.
        #expect(notes.recall(ms: morning + 5 * dayMs, days: DayStarts()).isInside)
        // Before the first day.
        #expect(notes.recall(ms: 0).isInside)
    }

    @Test func newDayStartsEmptyAfterTheLastKnownDay() {
        var notes = Notes()
        // The last of the twelve days starts at 04:00 on day 11.
        notes.note(ms: 13 * dayMs + 12 * hourMs)
        #expect(notes.recall(ms: 14 * dayMs + 4 * hourMs - 1).isInside)
        #expect(notes.recall(ms: 14 * dayMs + 4 * hourMs) == PriorPresence())
        #expect(notes.recall(ms: 13 * dayMs + 5 * hourMs).isInside)
    }

    @Test func noteOfLaterDayHidesNoEarlierNote() {
        var notes = Notes()
        notes.note(ms: noon)
        notes.note(secondTag, ms: noon + dayMs, person: 12)
        // The clock was ahead and has come back. It is untrusted but later than all certain times.
        #expect(notes.recall(ms: noon + hourMs, isTrusted: false).isInside)
        #expect(notes.recall(secondTag, ms: noon + hourMs, isTrusted: false, person: 12).isInside)
        // With a clock that is certainly wrong, the latest day counts.
        #expect(notes.recall(ms: 1_000, isTrusted: false) == PriorPresence())
        #expect(notes.recall(secondTag, ms: 1_000, isTrusted: false, person: 12).isInside)
    }

    @Test func clockAheadForManyDaysEvictsNoPresentDay() {
        var notes = Notes()
        for ahead in 1...Int64(AntiPassbackMemory.dayLimit + 2) {
            notes.note(ms: noon)
            notes.note(secondTag, ms: noon + 2 * ahead * dayMs, person: 12)
            notes.memory.dropOldDays()
        }
        #expect(notes.recall(ms: noon + hourMs).isInside)
    }

    @Test func clockStepsLoseNoNotes() {
        var notes = Notes()
        notes.note(ms: noon)
        #expect(notes.recall(ms: noon - dayMs).isInside)
        // The clock jumps ahead to a new day, and back.
        #expect(!notes.recall(ms: noon + 3 * dayMs).isInside)
        notes.note(ms: noon + 3 * dayMs)
        notes.note(ms: noon + 60_000)
        #expect(
            notes.recall(ms: noon + 120_000).isInside && notes.recall(ms: noon + 3 * dayMs).isInside)
        // The admission noted last counts, whatever its time.
        #expect(notes.recall(ms: noon + 120_000).admittedMs == noon + 60_000)
        notes.note(firstTag, .admitted, .out, ms: noon + 180_000)
        #expect(
            !notes.recall(ms: noon + 3 * dayMs).isInside && !notes.recall(ms: noon + 200_000).isInside)
    }

    @Test func doubtedAdmissionOfThisBootCountsOnItsTrueDay() {
        var notes = Notes()
        notes.note(firstTag, .admitted, .clockNotTrusted, ms: 1_000, sinceBoot: 1_000)
        #expect(notes.recall(ms: 2_000, isTrusted: false, sinceBoot: 2_000).isInside)
        // The clock is set right two hours later, at noon: the admission was at ten.
        let later = 1_000 + 2 * hourMs
        #expect(
            notes.recall(ms: noon, sinceBoot: later)
                == PriorPresence(
                    isInside: true, wasAdmitted: true, admittedMs: noon - 2 * hourMs, admittedGate: 7))
        // The day starts at four, nine hours later on the next day.
        #expect(notes.recall(ms: noon + 15 * hourMs, sinceBoot: later + 15 * hourMs).isInside)
        #expect(notes.recall(ms: noon + 16 * hourMs, sinceBoot: later + 16 * hourMs) == PriorPresence())
        // While the clock is certainly wrong, it counts for a day.
        #expect(notes.recall(ms: 5_000, isTrusted: false, sinceBoot: 20 * hourMs).isInside)
        #expect(!notes.recall(ms: 5_000, isTrusted: false, sinceBoot: 25 * hourMs).isInside)
    }

    @Test func doubtedAdmissionOfAnotherBootIsKept() {
        var notes = Notes()
        notes.note(ms: noon - dayMs)
        notes.note(secondTag, .admitted, .clockNotTrusted, ms: 1_000, person: 12)
        // The clock is right again, and no passage under a trusted clock has followed.
        #expect(
            notes.recall(secondTag, ms: noon, person: 12)
                == PriorPresence(isInside: true, wasAdmitted: true, admittedMs: nil, admittedGate: 7))
        notes.note(TagID(rawValue: 79), ms: noon + 1, person: 13)
        #expect(notes.recall(secondTag, ms: noon + 2, person: 12).isInside)
        #expect(!notes.recall(secondTag, ms: noon + dayMs, person: 12).isInside)
        // The next period of doubt does not extend the one before.
        notes.note(TagID(rawValue: 80), .admitted, .clockNotTrusted, ms: 1_000, person: 14)
        #expect(!notes.recall(secondTag, ms: noon + dayMs, person: 12).isInside)
        #expect(notes.recall(TagID(rawValue: 80), ms: noon + dayMs, person: 14).isInside)
    }

    @Test func doubtedAdmissionsAreDroppedAfterTheRememberedDays() {
        var notes = Notes()
        notes.note(firstTag, .admitted, .clockNotTrusted, ms: 1_000, sinceBoot: 1_000)
        for day in 0...Int64(AntiPassbackMemory.dayLimit) {
            notes.note(secondTag, ms: noon + day * dayMs, person: 12, sinceBoot: 1_000 + day * dayMs)
        }
        let hasDropped = notes.memory.dropOldDays()
        #expect(hasDropped && notes.memory.count == 1)
    }

    @Test func annulmentRestoresThePreviousHistory() {
        var notes = Notes()
        notes.note(ms: noon)
        notes.note(firstTag, .annulled, ms: noon + 5_000)
        #expect(notes.recall(ms: noon + 5_001) == PriorPresence())
        notes.note(ms: noon + 6_000)
        notes.note(firstTag, .admitted, .out, ms: noon + 7_000)
        notes.note(firstTag, .annulled, .out, ms: noon + 12_000)
        #expect(notes.recall(ms: noon + 13_000).isInside)
        // Nothing is left to annul.
        notes.note(firstTag, .annulled, ms: noon + 14_000)
        #expect(notes.recall(ms: noon + 15_000).isInside)
        // A later passage with another tag of the person stays.
        notes.note(firstTag, ms: noon + 16_000)
        notes.note(secondTag, .admitted, .out, ms: noon + 17_000)
        notes.note(firstTag, .annulled, ms: noon + 18_000)
        #expect(!notes.recall(ms: noon + 19_000).isInside)
    }

    @Test func replayedScansGiveTheSameMemory() {
        var notes = Notes()
        for number in 0..<5_000 {
            let tag = TagID(rawValue: Int64(number % 700 + 1))
            let verdict: Verdict = number % 11 == 10 ? .annulled : number % 13 == 0 ? .blocked : .admitted
            notes.note(
                tag, verdict, number % 3 == 0 ? .out : [], at: number % 2 == 0 ? door : entrance,
                ms: noon + Int64(number * 7_919 % 500_000), person: number % 5 == 0 ? nil : tag.rawValue / 2)
        }
        var again = AntiPassbackMemory(capacity: 700)
        for (number, (scan, gate)) in notes.scans.enumerated() {
            again.note(
                scan, attendee: number % 5 == 0 ? nil : scan.tag.rawValue / 2, gate: gate, days: days())
        }
        #expect(again.count == notes.memory.count)
        for tag in 1...700 {
            for zone in [site, hall] {
                let atMs = noon + 600_000
                let answers = [notes.memory, again].map {
                    $0.recall(
                        TagID(rawValue: Int64(tag)), attendee: Int64(tag / 2), zone: zone, atMs: atMs,
                        clockIsTrusted: true, certainMs: 0, monotonicMs: 0, days: days(), tree: tree)
                }
                #expect(answers[0] == answers[1])
            }
        }
    }

    @Test func dropOldDaysKeepsTheLatestDays() {
        var notes = Notes()
        for day in 0..<AntiPassbackMemory.dayLimit {
            notes.note(TagID(rawValue: Int64(day + 1)), ms: noon + Int64(day) * dayMs, person: nil)
        }
        let early = notes.memory.dropOldDays()
        #expect(!early && notes.memory.count == AntiPassbackMemory.dayLimit)
        notes.note(ms: noon + Int64(AntiPassbackMemory.dayLimit) * dayMs)
        let late = notes.memory.dropOldDays()
        #expect(late && notes.memory.count == AntiPassbackMemory.dayLimit)
        #expect(notes.recall(TagID(rawValue: 2), ms: noon + dayMs, person: nil).isInside)
        #expect(!notes.recall(TagID(rawValue: 1), ms: noon, person: nil).isInside)
        let again = notes.memory.dropOldDays()
        #expect(!again)
    }
}
