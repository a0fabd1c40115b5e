import CLI
package import FleetSimulation
import Runtime
import ScanBatchCodec
import ScanJournal
import ScanModel

/// Ready-made scan batches of a made-up fleet, for benchmarks of the center: a pure function of its numbers, so that another
/// run delivers the same batches again.
///
/// Each scanner has one journal. The batches of a run take the scanners in turn, as many connections at once would.
package struct BatchPlan: Sendable {
    /// Device time between two scans of a scanner.
    static let spacingMs: Int64 = 50

    /// Scanners, scans over all of them together, attendees, seed, prefix; the source must be `.synthetic`.
    package var fleet: FleetSettings
    package var batchScans = 500
    /// Device time of each scanner's first scan, milliseconds since 1970.
    package var startsMs: Int64
    /// Batches of each journal that an earlier run has delivered.
    package var delivered = 0
    /// Of the batches of this run, how many in a hundred repeat those, evenly between the new ones.
    package var repeatedPercent = 0

    /// One batch of a run.
    struct Step: Hashable, Sendable {
        /// 0 for the first scanner.
        var scanner: Int
        /// 0 for the journal's first batch.
        var number: Int
        var isRepeated: Bool
    }

    package init(_ fleet: FleetSettings, startsMs: Int64) { (self.fleet, self.startsMs) = (fleet, startsMs) }

    /// Throws `ProgramError` (configuration) for numbers that do not fit each other.
    package func check() throws {
        guard (1...ScanBatch.scansLimit).contains(batchScans) else {
            throw ProgramError.configuration("a batch holds 1 to \(ScanBatch.scansLimit) scans")
        }
        guard let scans = fleet.scans, scans > 0, scans % (fleet.scanners * batchScans) == 0 else {
            throw ProgramError.configuration("--scans: a multiple of scanners x batch is needed")
        }
        guard repeatedPercent == 0 || delivered > 0 else {
            throw ProgramError.configuration("--repeat: what an earlier run has delivered must be said")
        }
    }

    /// Batches of each scanner in this run.
    var rounds: Int { (fleet.scans ?? 0) / (fleet.scanners * batchScans) }
    var count: Int { rounds * fleet.scanners }

    /// What is published at `index` (0 ..< count).
    func step(_ index: Int) -> Step {
        let (round, scanner) = index.quotientAndRemainder(dividingBy: fleet.scanners)
        let before = round * repeatedPercent / 100
        let isRepeated = (round + 1) * repeatedPercent / 100 > before
        let number = isRepeated ? before % delivered : delivered + round - before
        return Step(scanner: scanner, number: number, isRepeated: isRepeated)
    }

    /// The made-up attendees that taps are drawn from; their tags come in the order of `tags`.
    func world() -> FleetWorld {
        FleetWorld(attendees: attendees, scanners: fleet.scanners, seed: fleet.seed)
    }

    /// Tag IDs of the attendees, and of `more` who are never drawn.
    package func tags(more: Int = 0) -> [Int64] {
        FleetWorld(attendees: attendees + more, scanners: 1, seed: fleet.seed).tags.map(\.tag.rawValue)
    }

    private var attendees: Int {
        guard case .synthetic(let attendees) = fleet.source else { preconditionFailure("a plan is made up") }
        return attendees
    }

    func log(_ scanner: Int) -> JournalID {
        var random = SeededRandom(seed: mixed(scanner, -1))
        return JournalID(
            high: random.next() & ~0xf000 | 0x4000, low: random.next() & ~(0b11 << 62) | 0b10 << 62)
    }

    /// The batch of a step, as a publisher makes it at `sentMicros`.
    ///
    /// - Parameter lastMs: device time of its last scan; nil: by its place in the journal, so that it can be repeated.
    func batch(_ step: Step, in world: FleetWorld, sentMicros: Int64, lastMs: Int64? = nil) throws -> ScanBatch {
        var random = SeededRandom(seed: mixed(step.scanner, step.number))
        let done = step.number * batchScans
        let firstMs =
            lastMs.map { $0 - Int64(batchScans - 1) * BatchPlan.spacingMs }
            ?? startsMs + Int64(done) * BatchPlan.spacingMs + Int64(step.scanner) % BatchPlan.spacingMs
        let scans = (0..<batchScans).map { offset in
            let tap = world.draw(step.scanner, atMs: firstMs + Int64(offset) * BatchPlan.spacingMs, &random)
            return Scan(
                seq: Int64(done + offset + 1), atMs: tap.atMs, tag: tap.tag, verdict: tap.verdict, flags: tap.flags,
                gate: tap.gate, snapshot: tap.snapshot)
        }
        return ScanBatch(
            scanner: try fleet.scanner(step.scanner), log: log(step.scanner), scans: scans[...], sentMicros: sentMicros,
            backlog: Int64(max(0, delivered + rounds - step.number - 1) * batchScans))
    }

    private func mixed(_ scanner: Int, _ number: Int) -> UInt64 {
        var random = SeededRandom(seed: fleet.seed &+ UInt64(scanner) &* 0x9e37_79b9_7f4a_7c15)
        return random.next() ^ UInt64(bitPattern: Int64(number)) &* 0xd6e8_feb8_6659_fd93
    }
}
