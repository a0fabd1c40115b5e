import AccessControl
import Crypto
import LinuxSystem
package import Runtime
package import ScanModel
import Snapshots

/// Measures the lane: the look-up and the decision in this process, or taps of a gate process.
package struct LaneBench: Sendable {
    /// Look-ups before the clock runs, as many as in the floor program.
    static let warmLookups = 20_000
    /// Taps before the clock runs. They bring pages of the snapshot and of the journal into memory.
    static let warmTaps = 200
    /// Time limit for a verdict, in milliseconds. A lane that takes longer has failed.
    static let verdictLimitMs = 30_000

    private let world: BenchWorld
    private let seed: UInt64

    /// - Parameters:
    ///   - world: the event of the snapshot.
    ///   - seed: selects the attendees that tap.
    package init(_ world: BenchWorld, seed: UInt64) { (self.world, self.seed) = (world, seed) }

    /// Measures the look-up in the snapshot and the decision.
    ///
    /// - Parameters:
    ///   - path: a snapshot of `BenchWorld.writeSnapshot`.
    ///   - count: number of measured decisions.
    ///   - fromUID: whether the clock starts at the UID of the chip, which adds an HMAC-SHA-256, or at the tag ID.
    /// - Returns: median, p99, p99.9 and maximum in microseconds.
    /// - Throws: `SnapshotError`, and `BenchmarkError.notAdmitted` if a tap is rejected.
    package func decisions(snapshot path: String, key: EventKey, count: Int, fromUID: Bool) throws -> String {
        let snapshot = try Snapshot(path: path)
        let gate = snapshot.gates[1]!
        let atMs = SystemClock.nowMicroseconds() / 1_000
        let days = DayStarts(snapshot.days)
        let memory = try remembered(snapshot, gate, days, atMs: atMs)
        var random = SeededRandom(seed: seed)
        var latencies = Latencies(count: count)
        var admitted = 0
        for number in 0..<count + LaneBench.warmLookups {
            let uid = world.uid(Int.random(in: 0..<world.attendees, using: &random))
            var tag = key.tagID(of: .uid(uid))
            let start = SystemClock.monotonicNanoseconds()
            if fromUID { tag = key.tagID(of: .uid(uid)) }
            let attendee = try snapshot.attendee(tag)
            let decision = Decision(
                DecisionInput(
                    direction: .in, atMs: atMs, gate: gate, snapshot: .usable(expiresS: snapshot.expiresS),
                    attendee: attendee, pass: attendee.flatMap { snapshot.passes[$0.pass] },
                    zones: snapshot.zoneTree,
                    memory: memory.recall(
                        tag, attendee: attendee?.attendee, zone: gate.zone, atMs: atMs, clockIsTrusted: true,
                        certainMs: 0, monotonicMs: 0, days: days, tree: snapshot.zoneTree)))
            let end = SystemClock.monotonicNanoseconds()
            if decision.verdict == .admitted { admitted += 1 }
            if number >= LaneBench.warmLookups { latencies.add(end - start) }
        }
        guard admitted == count + LaneBench.warmLookups else {
            throw BenchmarkError.notAdmitted(admitted: admitted, taps: count + LaneBench.warmLookups)
        }
        return latencies.line()
    }

    /// The anti-passback memory of a lane after one busy day.
    private func remembered(_ snapshot: Snapshot, _ gate: Gate, _ days: DayStarts, atMs: Int64) throws
        -> AntiPassbackMemory
    {
        var memory = AntiPassbackMemory()
        for number in 0..<min(BenchWorld.dayScans, world.attendees) {
            let tag = world.tag(number * 61 % world.attendees)
            memory.note(
                Scan(
                    seq: Int64(number + 1), atMs: atMs, tag: tag, verdict: .admitted, flags: [], gate: gate.id,
                    snapshot: snapshot.version), attendee: try snapshot.attendee(tag)?.attendee, gate: gate, days: days)
        }
        return memory
    }

    /// Measures taps of a gate process. Standard output must be the gate's input, and standard input its output.
    ///
    /// Writes a UID and waits for the verdict, which the gate prints after the scan is durable. The figures include
    /// both pipes.
    ///
    /// - Parameters:
    ///   - count: number of measured taps.
    ///   - gapMs: pause between a verdict and the next tap, in milliseconds.
    ///   - first: number of the first attendee. The attendees tap in order, so that none taps twice.
    ///   - stop: ends the measurement early.
    /// - Returns: median, p99, p99.9 and maximum in microseconds.
    /// - Throws: `BenchmarkError`, and `SystemError` if a pipe fails.
    package func taps(count: Int, gapMs: Int, first: Int, stop: StopSignal) throws -> String {
        let verdicts = LineInput()
        var latencies = Latencies(count: count)
        var admitted = 0
        for number in 0..<count + LaneBench.warmTaps {
            if gapMs > 0, stop.wait(ms: gapMs) { break }
            let person = (first + number) % world.attendees
            let line = Hex.encode(world.uid(person))
            let start = SystemClock.monotonicNanoseconds()
            try StandardOutput.writeLine(line)
            let event = try verdicts.next(or: stop, withinMs: LaneBench.verdictLimitMs)
            let end = SystemClock.monotonicNanoseconds()
            guard case .line(let text) = event else { throw BenchmarkError.noVerdict(event: "\(event)") }
            if text.contains(#""verdict":0,"#) { admitted += 1 }
            if number >= LaneBench.warmTaps { latencies.add(end - start) }
        }
        guard admitted == count + LaneBench.warmTaps else {
            throw BenchmarkError.notAdmitted(admitted: admitted, taps: count + LaneBench.warmTaps)
        }
        return latencies.line()
    }
}

/// Durations of single calls, in nanoseconds. They are only collected while the clock runs, and evaluated at the end.
struct Latencies {
    private var values: [UInt64] = []

    init(count: Int) { values.reserveCapacity(count) }

    mutating func add(_ nanoseconds: UInt64) { values.append(nanoseconds) }

    /// Median, p99, p99.9 and maximum in microseconds, in the format of the floor program.
    func line() -> String {
        let sorted = values.sorted()
        guard let last = sorted.last else { return "0 0 0 0" }
        let wanted = [
            sorted[sorted.count / 2], sorted[sorted.count * 99 / 100], sorted[sorted.count * 999 / 1_000], last,
        ]
        return wanted.map { "\(($0 + 5) / 1_000).\(padded(($0 + 5) % 1_000 / 10))" }.joined(separator: " ")
    }

    private func padded(_ hundredths: UInt64) -> String { hundredths < 10 ? "0\(hundredths)" : "\(hundredths)" }
}
