import AccessControl
import ScanModel
import SnapshotWriting
import Snapshots
import TestSupport
import Testing

/// Tests that a stored refusal gets the reason of the gate's own decision, or says that it has none.
@Suite struct RefusalExplanationTests {
    private static let nowS: Int64 = 1_795_428_000
    private let folder = TemporaryFolder("refusals")
    private let snapshot: Snapshot

    init() throws {
        let writer = try SnapshotWriter(path: folder.file("s.sqlite"))
        for (tag, status, pass) in [
            (1, .active, 1), (2, .lost, 1), (3, .active, 2), (4, .active, 0), (5, .blocked, 1), (6, .active, 3),
        ] as [(Int64, Attendee.Status, Int64)] {
            try writer.add(TagID(rawValue: tag), Attendee(status: status, pass: pass, attendee: tag))
        }
        for (id, name) in [(1, "Delegate"), (2, "Morning"), (3, "Foyer")] as [(Int64, String)] {
            try writer.addPass(id: id, name: name)
        }
        let nowS = Self.nowS
        try writer.addAccess(id: 1, pass: 1, Access(zone: 1))
        try writer.addAccess(id: 2, pass: 2, Access(zone: 1, from: nowS - 7_200, until: nowS - 3_600))
        try writer.addAccess(id: 3, pass: 3, Access(zone: 2))
        try writer.add(Zone(id: 1, name: "Hall", parent: nil))
        try writer.add(Zone(id: 2, name: "Foyer", parent: nil))
        try writer.addGate(id: 7, name: "Plain", zone: 1, fromZone: nil, policy: #"{"antipassback":"hard"}"#)
        try writer.addGate(
            id: 8, name: "Timed", zone: 1, fromZone: nil, policy: #"{"antipassback":"timed","minutes":20}"#)
        try writer.finish(event: "Fair", version: 7, createdS: nowS - 86_400, expiresS: nowS + 3_600)
        snapshot = try Snapshot(path: folder.file("s.sqlite"))
    }

    private func explain(
        _ tag: Int64, _ verdict: Verdict, gate: Int64? = 7, flags: Flags = [], admittedBeforeS: Int64? = nil,
        with snapshot: Snapshot?
    ) throws -> RefusalExplanation {
        try RefusalExplanation(
            RefusalExplanation.Scan(
                tag: TagID(rawValue: tag), gate: gate, atMs: Self.nowS * 1_000, verdict: verdict, flags: flags,
                admittedBeforeMs: admittedBeforeS.map { $0 * 1_000 }), snapshot: snapshot)
    }

    @Test(
        arguments: [
            (99, .unknownTag, .unknown, "not in this snapshot"), (2, .lost, .lost, "is lost"),
            (3, .outsideTime, .outsideTime, "'Morning' opens Hall from"), (4, .noAccess, .noPass, "has no pass"),
            (5, .blocked, .blocked, "is blocked"),
            (6, .noAccess, .noAccess, "opens Foyer, and this gate leads into Hall"),
            (1, .alreadyInside, .antipassback, "antipassback: hard"),
        ] as [(Int64, Verdict, Reason.Rule, String)])
    func reasonIsThatOfTheGate(_ tag: Int64, _ verdict: Verdict, _ rule: Reason.Rule, _ words: String) throws {
        let explanation = try explain(tag, verdict, with: snapshot)
        #expect(explanation.isReplayed && explanation.reason.rule == rule)
        #expect(explanation.reason.text.contains(words), "\(explanation.reason.text)")
        let without = try explain(tag, verdict, with: nil)
        #expect(!without.isReplayed && !without.reason.text.isEmpty)
    }

    @Test func closedLaneIsTheReason() throws {
        let explanation = try explain(1, .noAccess, flags: .operatorOverride, with: snapshot)
        #expect(explanation.isReplayed && explanation.reason.rule == .laneClosed)
    }

    @Test func timedRuleNeedsAnAdmissionWithinItsMinutes() throws {
        let near = try explain(1, .alreadyInside, gate: 8, admittedBeforeS: Self.nowS - 60, with: snapshot)
        #expect(near.isReplayed && near.reason.text.contains("less than 20 minutes"))
        let far = try explain(1, .alreadyInside, gate: 8, admittedBeforeS: Self.nowS - 3_600, with: snapshot)
        #expect(!far.isReplayed && far.reason.rule == .antipassback)
    }

    /// The list was changed after the scan, or the gate had another memory: the center does not invent a reason.
    @Test func reasonIsNotClaimedIfTheNewDecisionDiffers() throws {
        #expect(try !explain(1, .blocked, with: snapshot).isReplayed)
        #expect(try !explain(1, .notAuthentic, with: snapshot).isReplayed)
        #expect(try !explain(1, .blocked, gate: 99, with: snapshot).isReplayed)
        #expect(try !explain(1, .noSnapshot, gate: nil, with: snapshot).isReplayed)
    }
}
