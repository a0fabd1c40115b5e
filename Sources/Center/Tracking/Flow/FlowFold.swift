import ScanModel
import ScanRuns

/// Counts the events at each gate in time slots. Pure and additive, so the result does not depend on the order of
/// arrival.
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
        /// Time of the last tap; `nil` if there was none.
        var lastMicros: Int64?

        var isEmpty: Bool { self == Counts() }

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
    /// Slot width for scans that are counted within `fineAgeMicros` of the tap. Views show the last minute in these
    /// steps.
    static let fineMicros: Int64 = 10_000_000
    static let fineAgeMicros: Int64 = 120_000_000

    /// A minute of one gate and one verdict.
    struct Refusal: Hashable, Sendable {
        var gate: Int64
        /// Begin of the minute, microseconds since 1970-01-01 UTC.
        var minuteMicros: Int64
        /// 1 to 63.
        var verdict: UInt8
    }

    private(set) var slots: [Slot: Counts] = [:]
    /// The scans of `Counts.refused` by verdict.
    private(set) var refusals: [Refusal: Int64] = [:]
    private let nowMicros: Int64

    init(nowMicros: Int64) { self.nowMicros = nowMicros }

    private static func floor(_ micros: Int64, _ width: Int64) -> Int64 {
        micros - ((micros % width) + width) % width
    }

    /// Returns the start of the slot of an instant, and the instants that surely belong to it. The slot width depends on
    /// the age of the instant.
    private func slot(_ micros: Int64) -> (startMicros: Int64, instants: Range<Int64>) {
        let fineSince = nowMicros - FlowFold.fineAgeMicros + 1
        let width = micros >= fineSince ? FlowFold.fineMicros : FlowFold.minuteMicros
        let start = FlowFold.floor(micros, width)
        let instants =
            micros >= fineSince ? max(start, fineSince)..<(start + width) : start..<min(start + width, fineSince)
        return (start, instants)
    }

    /// Adds all scans of a run. An admission counts as passed unless `annul` subtracts it.
    mutating func add(_ scans: StoredScans) {
        guard let gate = scans.gate else { return }
        // The scans of a run are consecutive. So the slot is computed once for many scans, and the dictionary is
        // accessed as rarely.
        var slot = Slot(gate: gate, startMicros: .min)
        var instants: Range<Int64> = 0..<0
        var counts = Counts()
        for offset in 0..<scans.count {
            let at = scans.orderedMicros(offset)
            if !instants.contains(at) {
                add(counts, to: slot)
                (slot.startMicros, instants) = self.slot(at)
                counts = Counts()
            }
            let verdict = scans.verdicts[scans.verdicts.startIndex + offset]
            let flags = Flags(rawValue: scans.flags[scans.flags.startIndex + offset])
            switch verdict {
            case Verdict.admitted.rawValue:
                guard !flags.contains(.inspection), scans.tags[scans.tags.startIndex + offset] != TagID.none.rawValue
                else { break }
                if flags.contains(.out) { counts.passedOut += 1 } else { counts.passedIn += 1 }
            case 1..<Verdict.annulled.rawValue:
                guard !flags.contains(.inspection) else { break }
                counts.refused += 1
                let minute = FlowFold.floor(at, FlowFold.minuteMicros)
                refusals[Refusal(gate: gate, minuteMicros: minute, verdict: verdict), default: 0] += 1
            case Verdict.annulled.rawValue: counts.annulled += 1
            case Verdict.passageWithoutTap.rawValue, Verdict.admittedManually.rawValue: counts.untapped += 1
            default: break
            }
            if verdict < Verdict.laneNormal.rawValue { counts.lastMicros = max(at, counts.lastMicros ?? at) }
        }
        add(counts, to: slot)
    }

    /// Corrects the count of an admission that became annulled (`by` 1), or is no longer annulled (`by` -1).
    mutating func annul(gate: Int64?, orderedMicros: Int64, flags: Flags, by count: Int64) {
        guard let gate, !flags.contains(.inspection) else { return }
        var counts = Counts()
        if flags.contains(.out) { counts.passedOut = -count } else { counts.passedIn = -count }
        // The slot width follows the present age, and may differ from that of the counted admission. The sums of a
        // minute and of a day are correct in either case.
        add(counts, to: Slot(gate: gate, startMicros: slot(orderedMicros).startMicros))
    }

    private mutating func add(_ counts: Counts, to slot: Slot) {
        if counts.isEmpty { return }
        slots[slot, default: Counts()].add(counts)
    }
}
