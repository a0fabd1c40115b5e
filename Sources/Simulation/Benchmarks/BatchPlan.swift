package import FleetSimulation
import Runtime
import ScanBatchCodec
import ScanJournal
import ScanModel

/// Scan batches of a synthetic fleet, for benchmarks of the center.
///
/// The batches are a pure function of the numbers of the plan. A later run can therefore deliver the same batches
/// again. Each scanner has one journal. The batches of a run take the scanners in turn, as batches of many connections
/// would arrive.
package struct BatchPlan: Sendable {
    /// Device time between two scans of a scanner, in milliseconds.
    static let spacingMs: Int64 = 50

    /// Scanners, scans of all of them together, attendees, seed and prefix. The source must be `.synthetic`.
    package var fleet: FleetSettings
    /// Number of scans in a batch, 1 to `ScanBatch.scansLimit`.
    package var batchScans = 500
    /// Device time of each scanner's first scan, in milliseconds since 1970.
    package var startsMs: Int64
    /// Number of batches of each journal that an earlier run has delivered.
    package var delivered = 0
    /// Percentage of the batches of this run that repeat delivered ones, distributed evenly between the new ones.
    package var repeatedPercent = 0

    /// One batch of a run.
    struct Step: Hashable, Sendable {
        /// 0 for the first scanner.
        var scanner: Int
        /// 0 for the journal's first batch.
        var number: Int
        var isRepeated: Bool
    }

    /// - Parameters:
    ///   - fleet: its source must be `.synthetic`.
    ///   - startsMs: device time of each scanner's first scan, in milliseconds since 1970.
    package init(_ fleet: FleetSettings, startsMs: Int64) {
        self.fleet = fleet
        self.startsMs = startsMs
    }

    /// Checks that the numbers fit together.
    ///
    /// - Throws: `BenchmarkError.invalidPlan`, `BenchmarkError.scansNotDivisible`.
    package func check() throws {
        guard (1...ScanBatch.scansLimit).contains(batchScans) else {
            throw BenchmarkError.invalidPlan("a batch holds 1 to \(ScanBatch.scansLimit) scans, not \(batchScans)")
        }
        guard let scans = fleet.scans, scans > 0, scans % (fleet.scanners * batchScans) == 0 else {
            throw BenchmarkError.scansNotDivisible(by: fleet.scanners * batchScans)
        }
        guard repeatedPercent == 0 || delivered > 0 else {
            throw BenchmarkError.invalidPlan("batches can only be repeated if an earlier run has delivered some")
        }
    }

    /// Number of batches of each scanner in this run.
    var rounds: Int { (fleet.scans ?? 0) / (fleet.scanners * batchScans) }
    /// Number of batches of this run.
    var count: Int { rounds * fleet.scanners }

    /// The batch at a position, 0 ..< `count`.
    func step(_ index: Int) -> Step {
        let (round, scanner) = index.quotientAndRemainder(dividingBy: fleet.scanners)
        let before = round * repeatedPercent / 100
        let isRepeated = (round + 1) * repeatedPercent / 100 > before
        let number = isRepeated ? before % delivered : delivered + round - before
        return Step(scanner: scanner, number: number, isRepeated: isRepeated)
    }

    /// The attendees that taps are drawn from. Their tags are the first of `tags(more:)`, in that order.
    func world() -> FleetWorld {
        FleetWorld(attendees: attendees, scanners: fleet.scanners, seed: fleet.seed)
    }

    /// Tag IDs of the attendees, and of `more` further attendees that are never drawn.
    package func tags(more: Int = 0) -> [Int64] {
        FleetWorld(attendees: attendees + more, scanners: 1, seed: fleet.seed).tags.map(\.tag.rawValue)
    }

    private var attendees: Int {
        guard case .synthetic(let attendees) = fleet.source else { preconditionFailure("the source is not synthetic") }
        return attendees
    }

    /// The journal ID of a scanner, a version 4 UUID (RFC 9562) derived from the seed.
    func journalID(_ scanner: Int) -> JournalID {
        var random = SeededRandom(seed: mixed(scanner, -1))
        return JournalID(
            high: random.next() & ~0xf000 | 0x4000, low: random.next() & ~(0b11 << 62) | 0b10 << 62)
    }

    /// Makes the batch of a step, as a publisher would at `sentMicros`.
    ///
    /// - Parameters:
    ///   - sentMicros: time of sending, in microseconds since 1970.
    ///   - lastMs: device time of the last scan; `nil` derives it from the position in the journal, which is
    ///     repeatable.
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
            scanner: try fleet.scanner(step.scanner), journalID: journalID(step.scanner), scans: scans[...],
            sentMicros: sentMicros,
            backlog: Int64(max(0, delivered + rounds - step.number - 1) * batchScans))
    }

    private func mixed(_ scanner: Int, _ number: Int) -> UInt64 {
        var random = SeededRandom(seed: fleet.seed &+ UInt64(scanner) &* 0x9e37_79b9_7f4a_7c15)
        return random.next() ^ UInt64(bitPattern: Int64(number)) &* 0xd6e8_feb8_6659_fd93
    }
}
