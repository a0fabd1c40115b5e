import AccessControl
import CLI
package import Runtime
package import ScanJournal
package import ScanModel
import Snapshots

/// Who is tapped, and what each virtual gate knows: made once, read by all threads.
package struct FleetWorld: Sendable {
    package struct Tag: Sendable {
        package var tag: TagID
        /// Nil: not on the list.
        var attendee: Attendee?
    }

    package let tags: [Tag]
    let passes: [Int64: Pass]
    let zones: ZoneTree
    /// By scanner; nil: none.
    let gates: [Gate?]
    let snapshotState: SnapshotValidity
    /// What journals name: 0 and nothing for a made-up world.
    let snapshot: Int64
    let namesGates: Bool

    /// One tap in a hundred is of a tag that is on no list.
    static let unknownPerThousand = 10
    /// One tap in five leads out.
    static let outPerThousand = 200

    /// Made-up attendees with one pass for the one zone.
    package init(attendees: Int, scanners: Int, seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let pass = Pass(id: 1, access: [Access(zone: 1)])
        tags = (0..<attendees).map { number in
            Tag(
                tag: TagID(rawValue: Int64(bitPattern: random.next())),
                attendee: Attendee(status: .active, pass: 1, attendee: Int64(number + 1)))
        }
        (passes, zones) = ([1: pass], ZoneTree())
        gates = Array(repeating: Gate(id: 1, name: "made up", zone: 1), count: scanners)
        (snapshotState, snapshot, namesGates) = (.usable(expiresS: .max), 0, false)
    }

    /// What a snapshot says. A scanner that it does not list takes one of the gates, in turn.
    init(_ file: Snapshot, scanners: [ScannerID]) throws {
        var tags: [Tag] = []
        try file.forEachAttendee { tags.append(Tag(tag: $0, attendee: $1)) }
        guard !tags.isEmpty else { throw ProgramError.configuration("\(file.path) holds no attendees") }
        self.tags = tags
        (passes, zones) = (file.passes, file.zoneTree)
        let all = file.gates.values.sorted { $0.id < $1.id }
        gates = scanners.enumerated().map { number, scanner in
            GateChoice(file, scanner: scanner, named: nil, previous: nil).gate
                ?? (all.isEmpty ? nil : all[number % all.count])
        }
        (snapshotState, snapshot, namesGates) = (.usable(expiresS: file.expiresS), file.version, true)
    }

    /// Only the taps of a trace: all admitted.
    init(scanners: Int) {
        (tags, passes, zones) = ([], [:], ZoneTree())
        gates = Array(repeating: nil, count: scanners)
        (snapshotState, snapshot, namesGates) = (.unusable, 0, false)
    }

    /// A tap drawn for a scanner, decided by the real gate's rules.
    package func draw(_ scanner: Int, atMs: Int64, _ random: inout SeededRandom) -> Journal.Entry {
        var drawn = tags[Int.random(in: tags.indices, using: &random)]
        if namesGates, Int.random(in: 0..<1_000, using: &random) < FleetWorld.unknownPerThousand {
            drawn = Tag(tag: TagID(rawValue: Int64(bitPattern: random.next())), attendee: nil)
        }
        let isOut = Int.random(in: 0..<1_000, using: &random) < FleetWorld.outPerThousand
        let gate = gates[scanner]
        let decision = Decision(
            DecisionInput(
                direction: isOut ? .out : .in, atMs: atMs, gate: gate, snapshot: snapshotState,
                attendee: drawn.attendee, pass: drawn.attendee.flatMap { passes[$0.pass] }, zones: zones))
        return Journal.Entry(
            atMs: atMs, tag: drawn.tag, verdict: decision.verdict, flags: decision.flags,
            gate: namesGates ? gate?.id : nil, snapshot: snapshot)
    }
}
