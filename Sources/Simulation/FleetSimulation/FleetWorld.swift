import AccessControl
package import Runtime
package import ScanJournal
package import ScanModel
import Snapshots

/// The tags that are tapped, and the data that each virtual gate decides by. Immutable and shared by all threads.
package struct FleetWorld: Sendable {
    /// A tag that can be tapped.
    package struct Tag: Sendable {
        /// ID of the tag.
        package var tag: TagID
        /// `nil` for a tag that is not registered.
        var attendee: Attendee?
    }

    /// All tags; empty for the taps of a trace.
    package let tags: [Tag]
    let passes: [Int64: Pass]
    let zones: ZoneTree
    /// The gate of each scanner; `nil` if the scanner has no gate.
    let gates: [Gate?]
    let snapshotState: SnapshotValidity
    /// The snapshot version in the journals; 0 for invented attendees.
    let snapshot: Int64
    /// Whether the journals name the gate; `false` for invented attendees.
    let namesGates: Bool

    /// Taps of unregistered tags, per thousand.
    static let unknownPerThousand = 10
    /// Exits, per thousand taps.
    static let outPerThousand = 200

    /// Invented attendees with one pass for the only zone.
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

    /// The attendees, passes and gates of a snapshot. Scanners that it does not name get its gates in turn.
    ///
    /// - Throws: `SnapshotError`, and `FleetError.unusableSnapshot` for a snapshot without attendees.
    init(_ file: Snapshot, scanners: [ScannerID]) throws {
        var tags: [Tag] = []
        try file.forEachAttendee { tags.append(Tag(tag: $0, attendee: $1)) }
        guard !tags.isEmpty else { throw FleetError.unusableSnapshot("\(file.path) has no attendees") }
        self.tags = tags
        (passes, zones) = (file.passes, file.zoneTree)
        let all = file.gates.values.sorted { $0.id < $1.id }
        gates = scanners.enumerated().map { number, scanner in
            GateChoice(file, scanner: scanner, named: nil, previous: nil).gate
                ?? (all.isEmpty ? nil : all[number % all.count])
        }
        (snapshotState, snapshot, namesGates) = (.usable(expiresS: file.expiresS), file.version, true)
    }

    /// A world without tags, for the taps of a trace.
    init(scanners: Int) {
        (tags, passes, zones) = ([], [:], ZoneTree())
        gates = Array(repeating: nil, count: scanners)
        (snapshotState, snapshot, namesGates) = (.unusable, 0, false)
    }

    /// Draws a tap at a scanner and decides it with the rules of the gate.
    ///
    /// - Parameter scanner: 0 for the first scanner.
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
