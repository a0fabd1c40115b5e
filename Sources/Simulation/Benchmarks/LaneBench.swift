import AccessControl
import CLI
import LinuxSystem
package import Runtime
package import ScanModel
import Snapshots

/// Measures the lane: its look-up and decision in this process, its taps from outside.
package struct LaneBench: Sendable {
    /// Looked up before the clock runs, as many as the floor program does.
    static let warmLookups = 20_000
    /// Tapped before the clock runs: the snapshot's pages and the journal's first ones are in memory then.
    static let warmTaps = 200
    /// A lane that answers nothing for so long has failed.
    static let answerLimitMs = 30_000

    private let world: BenchWorld
    private let seed: UInt64

    package init(_ world: BenchWorld, seed: UInt64) { (self.world, self.seed) = (world, seed) }

    /// Look-up in the snapshot and decision, from the tag ID on, or with `fromUID` from the chip's UID on, which adds an
    /// HMAC-SHA-256. Gives `Latencies.line`.
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
                        certainMs: 0, days: days, tree: snapshot.zoneTree)))
            let end = SystemClock.monotonicNanoseconds()
            if decision.verdict == .admitted { admitted += 1 }
            if number >= LaneBench.warmLookups { latencies.add(end - start) }
        }
        guard admitted == count + LaneBench.warmLookups else {
            throw ProgramError.failed("only \(admitted) were admitted")
        }
        return latencies.line()
    }

    /// A lane's memory of the people of one busy day.
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

    /// Taps a gate that reads standard input, from outside: writes a UID to `output`'s end of its pipe, and waits for the
    /// verdict, which the gate prints once the scan is durable. Both ways through the pipes are in the figure.
    ///
    /// Standard output is the gate's input, standard input its output. Gives `Latencies.line`.
    /// - Parameters:
    ///   - gapMs: pause between a verdict and the next tap.
    ///   - first: number of the first attendee; they come one after the other, so that nobody taps twice.
    package func taps(count: Int, gapMs: Int, first: Int, stop: StopSignal) throws -> String {
        let answers = LineInput()
        var latencies = Latencies(count: count)
        var admitted = 0
        for number in 0..<count + LaneBench.warmTaps {
            if gapMs > 0, stop.wait(ms: gapMs) { break }
            let person = (first + number) % world.attendees
            let line = LaneBench.hex(world.uid(person))
            let start = SystemClock.monotonicNanoseconds()
            try StandardOutput.writeLine(line)
            let event = try answers.next(or: stop, withinMs: LaneBench.answerLimitMs)
            let end = SystemClock.monotonicNanoseconds()
            guard case .line(let text) = event else { throw ProgramError.failed("no verdict: \(event)") }
            if text.contains(#""verdict":0,"#) { admitted += 1 }
            if number >= LaneBench.warmTaps { latencies.add(end - start) }
        }
        guard admitted == count + LaneBench.warmTaps else {
            throw ProgramError.failed("only \(admitted) of \(count + LaneBench.warmTaps) taps were admitted")
        }
        return latencies.line()
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
