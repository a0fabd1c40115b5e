import ScanModel

/// Counts what happens at each gate, in slots of time: pure, and additive, so it is right in any order of arrival.
struct FlowFold: Sendable {
    struct Slot: Hashable, Sendable {
        var gate: Int64
        /// Microseconds since 1970-01-01 UTC.
        var startMicros: Int64
    }

    struct Counts: Equatable, Sendable {
        var passedIn: Int64 = 0
        var passedOut: Int64 = 0
        var refused: Int64 = 0
        var annulled: Int64 = 0
        var untapped: Int64 = 0
        /// Of the last tap; nil: none.
        var lastMicros: Int64?

        var isNothing: Bool { self == Counts() }

        mutating func add(_ other: Counts) {
            passedIn += other.passedIn
            passedOut += other.passedOut
            refused += other.refused
            annulled += other.annulled
            untapped += other.untapped
            if let last = other.lastMicros { lastMicros = max(last, lastMicros ?? last) }
        }
    }

    static let minuteMicros: Int64 = 60_000_000
    /// Slots of what is counted within `fineAgeMicros` of the tap: the last minute is shown in these steps.
    static let fineMicros: Int64 = 10_000_000
    static let fineAgeMicros: Int64 = 120_000_000

    private(set) var slots: [Slot: Counts] = [:]
    private let nowMicros: Int64

    init(nowMicros: Int64) { self.nowMicros = nowMicros }

    /// The slot of an instant, by its age.
    private func start(_ micros: Int64) -> Int64 {
        let width = nowMicros - micros < FlowFold.fineAgeMicros ? FlowFold.fineMicros : FlowFold.minuteMicros
        return micros - ((micros % width) + width) % width
    }

    /// All scans of a run; an admission counts as passed until `annul` says otherwise.
    mutating func add(_ scans: StoredScans) {
        guard let gate = scans.gate else { return }
        // Scans of a run follow each other: the table is asked once a slot, not once a scan.
        var slot = Slot(gate: gate, startMicros: .min)
        var counts = Counts()
        for offset in 0..<scans.count {
            let at = scans.orderedMicros(offset)
            let start = start(at)
            if start != slot.startMicros {
                keep(slot, counts)
                (slot.startMicros, counts) = (start, Counts())
            }
            let verdict = scans.verdicts[scans.verdicts.startIndex + offset]
            let flags = Flags(rawValue: scans.flags[scans.flags.startIndex + offset])
            switch verdict {
            case Verdict.admitted.rawValue:
                guard !flags.contains(.inspection), scans.tags[scans.tags.startIndex + offset] != TagID.none.rawValue
                else { break }
                if flags.contains(.out) { counts.passedOut += 1 } else { counts.passedIn += 1 }
            case 1..<Verdict.annulled.rawValue: if !flags.contains(.inspection) { counts.refused += 1 }
            case Verdict.annulled.rawValue: counts.annulled += 1
            case Verdict.passageWithoutTap.rawValue, Verdict.admittedManually.rawValue: counts.untapped += 1
            default: break
            }
            if verdict < Verdict.laneNormal.rawValue { counts.lastMicros = max(at, counts.lastMicros ?? at) }
        }
        keep(slot, counts)
    }

    /// An admission that turned out not to have passed (`by` 1), or to have passed after all (-1).
    mutating func annul(gate: Int64?, orderedMicros: Int64, flags: Flags, by count: Int64) {
        guard let gate, !flags.contains(.inspection) else { return }
        var counts = Counts()
        if flags.contains(.out) { counts.passedOut = -count } else { counts.passedIn = -count }
        // In whole minutes, wherever it was counted: sums of a day and of a minute stay right.
        keep(Slot(gate: gate, startMicros: start(orderedMicros)), counts)
    }

    private mutating func keep(_ slot: Slot, _ counts: Counts) {
        if counts.isNothing { return }
        slots[slot, default: Counts()].add(counts)
    }
}
