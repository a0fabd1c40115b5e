import AccessControl
import ScanModel
import Snapshots
import TestSupport
import Testing

/// Zones, gates and people of the simulated event: a hall and a yard on one site, people with one wristband or two, and
/// passes of every kind.
enum SimulatedEvent {
    static let (site, hall, yard): (Int64, Int64, Int64) = (1, 2, 3)
    static let tree = ZoneTree([
        site: Zone(id: site, name: "Site"), hall: Zone(id: hall, name: "Hall", parent: site),
        yard: Zone(id: yard, name: "Yard", parent: site),
    ])
    static let within: [Int64: [Int64]] = [site: [site, hall, yard], hall: [hall], yard: [yard]]
    static let startMs: Int64 = 1_795_392_000_000
    static let dayMs: Int64 = 86_400_000
    static let persons = 8
    /// The days of a snapshot: the day before, and two weeks ahead.
    static let days = (Int64(-1)...14)

    /// Tag IDs of a person: every third has two wristbands. The last person is not registered.
    static func tags(_ person: Int) -> [TagID] {
        (0..<(person % 3 == 0 ? 2 : 1)).map { TagID(rawValue: Int64(person * 10 + $0 + 1)) }
    }
    static func person(_ tag: TagID) -> Int { Int(tag.rawValue - 1) / 10 }

    static func pass(_ person: Int) -> Pass {
        let zones = person == 5 ? [hall] : [site, hall, yard]
        return Pass(
            id: Int64(person + 1), reentry: Pass.Reentry.allCases[person % 4 % 3],
            access: zones.map { Access(zone: $0, from: person == 6 ? startMs / 1_000 + 3_600 : nil) })
    }
}

/// The content of a simulated snapshot.
struct SimulatedSnapshot {
    var createdS: Int64
    var days: DayStarts
    var dayStartsMs: [Int64]
    var gates: [Gate]
    /// People with one wristband who are not in this snapshot.
    var missing: Set<Int> = []

    init(_ random: inout TestRandom, nowMs: Int64) {
        createdS = nowMs / 1_000 - Int64.random(in: 0..<7_200, using: &random)
        let beginning = Int64.random(in: 3...5, using: &random) * 3_600_000
        // The days of a real export: from the day before to two weeks ahead.
        dayStartsMs = SimulatedEvent.days.map { SimulatedEvent.startMs + $0 * SimulatedEvent.dayMs + beginning }
        if Int.random(in: 0..<10, using: &random) == 0 { dayStartsMs = [] }
        days = DayStarts(
            dayStartsMs.map { Day(day: "", starts: $0 / 1_000, ends: $0 / 1_000 + 86_400) })
        let places: [(Int64, Int64?)] = [
            (SimulatedEvent.site, nil), (SimulatedEvent.hall, SimulatedEvent.site),
            (SimulatedEvent.yard, SimulatedEvent.site), (SimulatedEvent.hall, nil),
        ]
        gates = []
        for (index, place) in places.enumerated() {
            var policy = Policy()
            policy.antipassback = [.hard, .hard, .soft, .timed, .off].randomElement(using: &random)!
            policy.minutes = policy.antipassback == .timed ? 30 : nil
            policy.debounceMs = [0, 2_000, 60_000].randomElement(using: &random)!
            policy.noSnapshot = Bool.random(using: &random) ? .admit : .deny
            gates.append(
                Gate(id: Int64(index + 1), name: "G", zone: place.0, fromZone: place.1, policy: policy))
        }
        for person in [1, 2] where Int.random(in: 0..<5, using: &random) == 0 { missing.insert(person) }
    }

    func attendee(_ tag: TagID) -> Attendee? {
        let person = SimulatedEvent.person(tag)
        guard person < SimulatedEvent.persons - 1, !missing.contains(person) else { return nil }
        return Attendee(
            status: person == 4 ? .blocked : .active, pass: Int64(person + 1), attendee: Int64(person + 1)
        )
    }
}

/// A row of the simulated journal, with the true state at its time.
struct SimulatedRow {
    var scan: Scan
    var mode: LaneMode
    var gate: Gate
    var isSnapshotReadable: Bool
    /// The true time, which the lane does not know.
    var trueMs: Int64
    /// The day starts of the snapshot in use at that time.
    var days: DayStarts
    /// Number of the boot, and the monotonic time in it.
    var boot: Int
    var monotonicMs: Int64
    var isAnnulled = false

    var moves: Bool { scan.verdict == .admitted && !scan.flags.contains(.inspection) && !isAnnulled }
    /// Whether it moved a person when it was journaled, annulled later or not.
    var hasMoved: Bool { scan.verdict == .admitted && !scan.flags.contains(.inspection) }
    var isOut: Bool { scan.flags.contains(.out) }
    var isTrusted: Bool { !scan.flags.contains(.clockNotTrusted) }
}

/// The rules of a lane in the order of the real one, without its disk and threads.
struct SimulatedLane {
    let log = JournalID(high: 1, low: 1)
    var snapshot: SimulatedSnapshot
    /// `false` if the snapshot cannot be read.
    var isSnapshotReadable = true
    var gateIndex = 0
    var mode = LaneMode.normal
    var isInspection = false
    var isSynchronised = true
    var memory = AntiPassbackMemory()
    var debounce = Debounce()
    var clock = DeviceClock()
    private(set) var journal: [SimulatedRow] = []
    private(set) var repeats = 0
    private var newestMs: Int64 = .min
    private(set) var boot = 0
    /// The true time at which the monotonic clock was 0.
    private var bootedMs: Int64
    /// Whether persons were noted by their tag because the snapshot could not be read.
    private var isMemoryAnonymous = false

    init(_ snapshot: SimulatedSnapshot, bootedMs: Int64) {
        self.snapshot = snapshot
        self.bootedMs = bootedMs
        clock.snapshotCreatedS = snapshot.createdS
    }

    var gate: Gate { snapshot.gates[gateIndex] }
    func attendee(_ tag: TagID) -> Attendee? { isSnapshotReadable ? snapshot.attendee(tag) : nil }

    mutating func tap(_ tag: TagID, _ direction: Direction, atMs: Int64, trueMs: Int64) {
        let isTrusted = clock.isTrusted(atMs: atMs) { isSynchronised }
        if let earlier = debounce.repeatedTap(
            tag, direction, .uid, atMs: atMs, windowMs: gate.policy.debounceMs ?? 0)
        {
            repeats += 1
            let row = journal[Int(earlier.tap.scan.seq) - 1].scan
            #expect(
                row == earlier.tap.scan && row.tag == tag && row.flags.contains(.out) == (direction == .out))
            #expect((0..<Int64(gate.policy.debounceMs!)).contains(atMs - row.atMs))
            return
        }
        let attendee = attendee(tag)
        let recollection = memory.recall(
            tag, attendee: attendee?.attendee, zone: gate.zone, atMs: atMs, clockIsTrusted: isTrusted,
            certainMs: snapshot.createdS * 1_000, monotonicMs: trueMs - bootedMs, days: snapshot.days,
            tree: SimulatedEvent.tree)
        // Without a readable snapshot, presence is known by tag only.
        if isSnapshotReadable {
            #expect(recollection == recall(SimulatedEvent.person(tag), gate.zone, atMs, isTrusted, trueMs))
        }
        let decision = Decision(
            DecisionInput(
                direction: direction, atMs: atMs, clockIsTrusted: isTrusted, mode: mode,
                isInspection: isInspection,
                gate: gate, snapshot: isSnapshotReadable ? .usable(expiresS: .max) : .unusable,
                attendee: attendee,
                pass: attendee.map { SimulatedEvent.pass(Int($0.pass) - 1) }, zones: SimulatedEvent.tree,
                memory: recollection))
        append(tag, decision.verdict, decision.flags, atMs, trueMs)
        if isTrusted { clock.lastScanMs = max(clock.lastScanMs ?? 0, atMs) }
    }

    /// Annuls the admission of a row.
    mutating func annul(_ index: Int) {
        let row = journal[index]
        let person = SimulatedEvent.person(row.scan.tag)
        let isLast = !journal[(index + 1)...].contains {
            $0.moves && SimulatedEvent.person($0.scan.tag) == person
        }
        append(row.scan.tag, .annulled, row.scan.flags.intersection(.out), row.scan.atMs, row.trueMs)
        if isLast { journal[index].isAnnulled = true }
    }

    private mutating func append(_ tag: TagID, _ verdict: Verdict, _ flags: Flags, _ atMs: Int64, _ trueMs: Int64) {
        let scan = Scan(
            seq: Int64(journal.count + 1), atMs: atMs, tag: tag, verdict: verdict, flags: flags,
            gate: gate.id,
            snapshot: 1)
        let row = SimulatedRow(
            scan: scan, mode: mode, gate: gate, isSnapshotReadable: isSnapshotReadable, trueMs: trueMs,
            days: snapshot.days, boot: boot, monotonicMs: trueMs - bootedMs)
        if row.moves {
            newestMs = max(newestMs, atMs)
            if !isSnapshotReadable { isMemoryAnonymous = true }
        }
        journal.append(row)
        memory.note(
            scan, attendee: attendee(tag)?.attendee, gate: gate, days: snapshot.days, monotonicMs: row.monotonicMs)
        debounce.note(Debounce.JournaledTap(journalID: log, scan: scan, proof: .uid))
    }

    mutating func restart() {
        memory = AntiPassbackMemory()
        for row in journal {
            let gate = snapshot.gates.first { $0.id == row.scan.gate }
            memory.note(
                row.scan, attendee: attendee(row.scan.tag)?.attendee, gate: gate, days: snapshot.days,
                monotonicMs: row.boot == boot && !row.isTrusted ? row.monotonicMs : nil)
        }
        debounce.clear()
        isMemoryAnonymous = !isSnapshotReadable
    }

    /// Restarts the device: the monotonic clock begins again.
    mutating func reboot(trueMs: Int64) {
        boot += 1
        bootedMs = trueMs
        restart()
    }

    mutating func take(_ next: SimulatedSnapshot?) {
        if let next { snapshot = next }
        isSnapshotReadable = next != nil
        clock.snapshotCreatedS = snapshot.createdS
        debounce.clear()
        if isMemoryAnonymous && isSnapshotReadable { restart() }
    }

    /// The presence by a memory without limits, which keeps every row.
    private func recall(_ person: Int, _ zone: Int64, _ atMs: Int64, _ isTrusted: Bool, _ trueMs: Int64)
        -> PriorPresence
    {
        let isPossible = isTrusted || atMs >= snapshot.createdS * 1_000
        let lookUpMs = isPossible ? atMs : max(atMs, newestMs, snapshot.createdS * 1_000)
        let known = snapshot.dayStartsMs
        let later = known.last.map { last in (1...40).map { last + $0 * SimulatedEvent.dayMs } } ?? []
        var dayMs = (known + later).filter { $0 <= lookUpMs }.max() ?? .min
        if let first = known.first, lookUpMs < first, isPossible {
            // Whole days before the first one.
            let intoDayMs = (lookUpMs - first) % SimulatedEvent.dayMs
            dayMs = lookUpMs - (intoDayMs < 0 ? intoDayMs + SimulatedEvent.dayMs : intoDayMs)
        }
        /// Whether the latest one of these rows counts on the day of the look-up.
        func counts(_ rows: [SimulatedRow]) -> Bool {
            guard let last = rows.last else { return false }
            if dayMs == .min { return true }
            if last.isTrusted {
                return rows.reversed().prefix { $0.isTrusted }.contains { $0.scan.atMs >= dayMs }
            }
            let age = trueMs - bootedMs - last.monotonicMs
            if last.boot == boot { return isPossible ? atMs - age >= dayMs : age < SimulatedEvent.dayMs }
            let next = journal[Int(last.scan.seq)...].first { $0.isTrusted && $0.hasMoved }
            return next.map { $0.scan.atMs >= dayMs } ?? true
        }
        let rows = journal.filter { $0.moves && SimulatedEvent.person($0.scan.tag) == person }
        let into = Set(SimulatedEvent.within[zone]!)
        var recollection = PriorPresence()
        if let last = rows.last, let place = last.isOut ? last.gate.fromZone : last.gate.zone {
            let stay = Array(rows.reversed().prefix { !($0.isOut && $0.gate.fromZone == nil) }.reversed())
            recollection.isInside = into.contains(place) && counts(stay)
        }
        let entries = rows.filter { !$0.isOut }
        let zones = Set(entries.map(\.gate.zone)).intersection(into)
            .filter { zone in counts(entries.filter { $0.gate.zone == zone }) }
        recollection.wasAdmitted = !zones.isEmpty
        if let last = entries.last(where: { zones.contains($0.gate.zone) }) {
            if last.isTrusted {
                recollection.admittedMs = last.scan.atMs
            } else if isPossible && last.boot == boot {
                recollection.admittedMs = atMs - (trueMs - bootedMs - last.monotonicMs)
            }
            recollection.admittedGate = last.gate.id
        }
        return recollection
    }
}
