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
private let band = TagID(rawValue: 77)
private let secondBand = TagID(rawValue: 78)

/// Days of which each begins at four in the morning.
private func days(_ hour: Int64 = 4) -> DayStarts {
    DayStarts((0..<12).map { Day(day: "", starts: ($0 * dayMs + hour * hourMs) / 1_000, ends: 0) })
}

/// A memory, and the scans that made it.
private struct Notes {
    var memory = AntiPassbackMemory()
    var scans: [(Scan, Gate)] = []

    mutating func note(
        _ tag: TagID = band, _ verdict: Verdict = .admitted, _ flags: Flags = [],
        at gate: Gate = entrance,
        ms atMs: Int64, who attendee: Int64? = 11
    ) {
        let scan = Scan(
            seq: Int64(scans.count + 1), atMs: atMs, tag: tag, verdict: verdict, flags: flags,
            gate: gate.id,
            snapshot: 1)
        memory.note(scan, attendee: attendee, gate: gate, days: days())
        scans.append((scan, gate))
    }

    func recall(
        _ tag: TagID = band, zone: Int64 = site, ms atMs: Int64, isTrusted: Bool = true,
        days: DayStarts = days(),
        who attendee: Int64? = 11
    ) -> PriorPresence {
        memory.recall(
            tag, attendee: attendee, zone: zone, atMs: atMs, clockIsTrusted: isTrusted, certainMs: dayMs,
            days: days, tree: tree)
    }
}

@Suite struct LaneMemoryTests {
    private let noon = 2 * dayMs + 12 * hourMs

    @Test func whoCameInIsInsideUntilTheWayOut() {
        var notes = Notes()
        #expect(notes.recall(ms: noon) == PriorPresence())
        notes.note(ms: noon)
        #expect(
            notes.recall(ms: noon + 1)
                == PriorPresence(isInside: true, wasAdmitted: true, admittedMs: noon))
        #expect(notes.recall(zone: hall, ms: noon + 1) == PriorPresence())
        notes.note(band, .admitted, .out, ms: noon + 2)
        #expect(
            notes.recall(ms: noon + 3)
                == PriorPresence(isInside: false, wasAdmitted: true, admittedMs: noon))
    }

    @Test func beingInAZoneIsBeingInAllThatContainIt() {
        var notes = Notes()
        notes.note(at: door, ms: noon)
        #expect(
            notes.recall(zone: site, ms: noon + 1).isInside
                && notes.recall(zone: hall, ms: noon + 1).isInside)
        notes.note(band, .admitted, .out, at: door, ms: noon + 2)
        #expect(
            notes.recall(zone: site, ms: noon + 3).isInside
                && !notes.recall(zone: hall, ms: noon + 3).isInside)
    }

    @Test func onlyWhatMovedSomebodyCounts() {
        var notes = Notes()
        notes.note(band, .noAccess, ms: noon)
        notes.note(band, .admitted, .inspection, ms: noon)
        notes.note(.none, .admittedManually, ms: noon)
        notes.note(.none, .admitted, ms: noon)
        #expect(notes.memory.count == 0)
    }

    @Test func twoBandsOfOnePersonAreOnePerson() {
        var notes = Notes()
        notes.note(band, ms: noon)
        #expect(notes.recall(secondBand, ms: noon + 1).isInside)
        #expect(!notes.recall(secondBand, ms: noon + 1, who: 12).isInside)
        notes.note(secondBand, .admitted, .out, ms: noon + 2)
        #expect(!notes.recall(band, ms: noon + 3).isInside)
    }

    @Test func aBandIsRememberedWithoutAList() {
        var notes = Notes()
        notes.note(band, ms: noon)
        #expect(notes.recall(band, ms: noon + 1, who: nil).isInside)
        notes.note(band, .admitted, .out, ms: noon + 2, who: nil)
        #expect(!notes.recall(band, ms: noon + 3).isInside)
        // One that is listed only later.
        notes.note(secondBand, ms: noon + 4, who: nil)
        #expect(notes.recall(secondBand, ms: noon + 5, who: nil).isInside)
        #expect(notes.recall(secondBand, ms: noon + 5, who: 12).isInside)
        notes.note(secondBand, .admitted, .out, ms: noon + 6, who: 12)
        #expect(!notes.recall(secondBand, ms: noon + 7, who: 12).isInside && notes.memory.count == 2)
    }

    @Test func aDayStartsAnew() {
        var notes = Notes()
        notes.note(ms: noon)
        let morning = 3 * dayMs + 4 * hourMs
        #expect(notes.recall(ms: morning - 1).isInside)
        #expect(notes.recall(ms: morning) == PriorPresence())
        // A snapshot that moves the beginning of the day forgets nobody who came on this day.
        #expect(notes.recall(ms: noon + hourMs, days: days(11)).isInside)
        #expect(!notes.recall(ms: noon + 2 * hourMs, days: days(13)).isInside)
        // An event without days has one.
        #expect(notes.recall(ms: morning + 5 * dayMs, days: DayStarts()).isInside)
        // Before the first day.
        #expect(notes.recall(ms: 0).isInside)
    }

    @Test func aDayStartsAnewAlsoAfterTheLastThatIsKnown() {
        var notes = Notes()
        // The last of the twelve begins at four on day 11.
        notes.note(ms: 13 * dayMs + 12 * hourMs)
        #expect(notes.recall(ms: 14 * dayMs + 4 * hourMs - 1).isInside)
        #expect(notes.recall(ms: 14 * dayMs + 4 * hourMs) == PriorPresence())
        #expect(notes.recall(ms: 13 * dayMs + 5 * hourMs).isInside)
    }

    @Test func aNoteOfALaterDayHidesNoneOfBeforeIt() {
        var notes = Notes()
        notes.note(ms: noon)
        notes.note(secondBand, ms: noon + dayMs, who: 12)
        // The clock was ahead, and has come back: not trusted, but after all that is certain.
        #expect(notes.recall(ms: noon + hourMs, isTrusted: false).isInside)
        #expect(notes.recall(secondBand, ms: noon + hourMs, isTrusted: false, who: 12).isInside)
        // One that is certainly wrong says nothing: the latest day counts.
        #expect(notes.recall(ms: 1_000, isTrusted: false) == PriorPresence())
        #expect(notes.recall(secondBand, ms: 1_000, isTrusted: false, who: 12).isInside)
    }

    @Test func aClockThatWasAheadForManyDaysPushesNobodyOut() {
        var notes = Notes()
        for ahead in 1...Int64(AntiPassbackMemory.dayLimit + 2) {
            notes.note(ms: noon)
            notes.note(secondBand, ms: noon + 2 * ahead * dayMs, who: 12)
            notes.memory.tidy()
        }
        #expect(notes.recall(ms: noon + hourMs).isInside)
    }

    @Test func clocksThatStepForgetNobody() {
        var notes = Notes()
        notes.note(ms: noon)
        #expect(notes.recall(ms: noon - dayMs).isInside)
        // Ahead, where the day is new, and back.
        #expect(!notes.recall(ms: noon + 3 * dayMs).isInside)
        notes.note(ms: noon + 3 * dayMs)
        notes.note(ms: noon + 60_000)
        #expect(
            notes.recall(ms: noon + 120_000).isInside && notes.recall(ms: noon + 3 * dayMs).isInside)
        // What is last is last, whatever its clock said.
        #expect(notes.recall(ms: noon + 120_000).admittedMs == noon + 60_000)
        notes.note(band, .admitted, .out, ms: noon + 180_000)
        #expect(
            !notes.recall(ms: noon + 3 * dayMs).isInside && !notes.recall(ms: noon + 200_000).isInside)
    }

    @Test func aClockThatIsNotTrustedCountsUnderTheLatestInstant() {
        var notes = Notes()
        notes.note(ms: noon)
        notes.note(secondBand, .admitted, .clockNotTrusted, ms: 1_000, who: 12)
        #expect(notes.recall(ms: 1_000, isTrusted: false).isInside)
        let other = notes.recall(secondBand, ms: noon, who: 12)
        #expect(other == PriorPresence(isInside: true, wasAdmitted: true, admittedMs: nil))
        #expect(!notes.recall(secondBand, ms: noon + dayMs, who: 12).isInside)
    }

    @Test func anAnnulmentBringsBackWhatWas() {
        var notes = Notes()
        notes.note(ms: noon)
        notes.note(band, .annulled, ms: noon + 5_000)
        #expect(notes.recall(ms: noon + 5_001) == PriorPresence())
        notes.note(ms: noon + 6_000)
        notes.note(band, .admitted, .out, ms: noon + 7_000)
        notes.note(band, .annulled, .out, ms: noon + 12_000)
        #expect(notes.recall(ms: noon + 13_000).isInside)
        // There is nothing left to annul.
        notes.note(band, .annulled, ms: noon + 14_000)
        #expect(notes.recall(ms: noon + 15_000).isInside)
        // What the person did since with another band stays.
        notes.note(band, ms: noon + 16_000)
        notes.note(secondBand, .admitted, .out, ms: noon + 17_000)
        notes.note(band, .annulled, ms: noon + 18_000)
        #expect(!notes.recall(ms: noon + 19_000).isInside)
    }

    @Test func aRestartMakesTheSameMemory() {
        var notes = Notes()
        for number in 0..<5_000 {
            let tag = TagID(rawValue: Int64(number % 700 + 1))
            let verdict: Verdict = number % 11 == 10 ? .annulled : number % 13 == 0 ? .blocked : .admitted
            notes.note(
                tag, verdict, number % 3 == 0 ? .out : [], at: number % 2 == 0 ? door : entrance,
                ms: noon + Int64(number * 7_919 % 500_000), who: number % 5 == 0 ? nil : tag.rawValue / 2)
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
                        clockIsTrusted: true, certainMs: 0, days: days(), tree: tree)
                }
                #expect(answers[0] == answers[1])
            }
        }
    }

    @Test func onlyTheLatestDaysAreKept() {
        var notes = Notes()
        for day in 0..<AntiPassbackMemory.dayLimit {
            notes.note(TagID(rawValue: Int64(day + 1)), ms: noon + Int64(day) * dayMs, who: nil)
        }
        let early = notes.memory.tidy()
        #expect(!early && notes.memory.count == AntiPassbackMemory.dayLimit)
        notes.note(ms: noon + Int64(AntiPassbackMemory.dayLimit) * dayMs)
        let late = notes.memory.tidy()
        #expect(late && notes.memory.count == AntiPassbackMemory.dayLimit)
        #expect(notes.recall(TagID(rawValue: 2), ms: noon + dayMs, who: nil).isInside)
        #expect(!notes.recall(TagID(rawValue: 1), ms: noon, who: nil).isInside)
        let again = notes.memory.tidy()
        #expect(!again)
    }
}
