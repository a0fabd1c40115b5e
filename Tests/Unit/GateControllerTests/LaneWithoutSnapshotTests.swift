import DataFolder
import FileSystem
import GateController
import Glibc
import ScanModel
import TestSupport
import Testing

@testable import SnapshotInstall
@testable import Snapshots

/// Snapshots that are missing, expired, or damaged while in use.
@Suite struct LaneWithoutSnapshotTests {
    private func world(_ policy: String, _ change: @escaping (inout Lane.Settings) -> Void = { _ in }) throws
        -> LaneWorld
    {
        let world = try LaneWorld(change)
        try world.venue.install(version: 100, policy: policy)
        return world
    }

    /// Replaces all snapshots by invalid files, as a power cut on a bad card may.
    private func ruin(_ world: LaneWorld) throws {
        for name in try Files.list(world.venue.data + "/snapshots") where name.hasSuffix(".sqlite") {
            try Files.writeAtomically([1, 2, 3], to: world.venue.data + "/snapshots/" + name)
        }
    }

    @Test(arguments: [("admit", Verdict.admitted), ("deny", .noSnapshot)])
    func policyWithoutSnapshotSurvivesRestart(_ word: String, _ verdict: Verdict) throws {
        let world = try world(#"{"no_snapshot":"\#(word)","debounce_ms":0}"#)
        try world.start()
        try ruin(world)
        for _ in 0..<2 {
            try world.start()
            #expect(world.tap(.delegate)?.scan.verdict == verdict)
            #expect(world.updates.results.last?.opens == (verdict == .admitted))
            #expect(world.updates.results.last?.zone == "Hall")
            #expect(world.tap(.delegate, .out)?.scan.verdict == .admitted)
            #expect(world.updates.results.last?.zone == "Foyer")
        }
        #expect(world.tap(.delegate, .in, .forged)?.scan.verdict == (verdict == .admitted ? .notAuthentic : verdict))
        #expect(world.updates.states.last?.alarms.first == .noSnapshot)
        #expect(try world.venue.journaled().allSatisfy { $0.gate == 7 && $0.snapshot == 0 })
    }

    @Test func lastKnownGateHasTheNewestPolicy() throws {
        let world = try world(#"{"no_snapshot":"admit"}"#)
        try world.start()
        try world.venue.install(version: 101, policy: #"{"no_snapshot":"deny"}"#)
        world.reloader.check()
        try world.runOnce()
        try ruin(world)
        try world.start()
        #expect(world.tap(.delegate)?.scan.verdict == .noSnapshot)
    }

    @Test func lastKnownGateIsNotUsedForAnotherGate() throws {
        var name: String? = "Hall north"
        let world = try world(#"{"no_snapshot":"admit"}"#) { $0.gateName = name }
        try world.start()
        try ruin(world)
        name = "Entrance"
        try world.start()
        #expect(world.tap(.delegate)?.scan.verdict == .noSnapshot)
        world.lane.dispatch(world.arrival(.command(.assign(gate: "Hall north")) { _ in }))
        #expect(world.tap(.staff)?.scan.verdict == .admitted, "known by its name")
        // A snapshot without the gate removes its policy.
        try world.venue.install(version: 102, gate: "Hall south", lists: nil)
        name = "Nowhere"
        try world.start()
        world.lane.dispatch(world.arrival(.command(.assign(gate: nil)) { _ in }))
        try ruin(world)
        try world.start()
        #expect(world.tap(.early)?.scan.verdict == .noSnapshot)
    }

    @Test(arguments: [("admit", Verdict.admitted), ("deny", .noSnapshot)])
    func policyDecidesWithExpiredSnapshot(_ word: String, _ verdict: Verdict) throws {
        let world = try LaneWorld()
        try world.venue.install(
            version: 100, policy: #"{"expired":"\#(word)","debounce_ms":0}"#, expiresS: LaneFixture.day + 10 * 3_600)
        for _ in 0..<2 {
            try world.start()
            #expect(
                world.tap(.delegate)?.scan.verdict
                    == (world.device.now.trueMs < (LaneFixture.day + 36_000) * 1_000 ? .admitted : verdict))
            world.advance(3_600_000)
        }
        let last = try #require(world.tap(.delegate)?.scan)
        #expect(last.verdict == verdict && last.flags == .snapshotExpired)
        try world.runOnce()
        #expect(world.updates.states.last?.alarms == [.snapshotExpired])
        #expect(world.tap(.delegate, .out)?.scan.verdict == .admitted)
    }

    /// Overwrites the middle of the file, from which the lane reads each row.
    private func spoil(_ world: LaneWorld, version: Int64) throws {
        let path = world.venue.data + "/snapshots/" + SnapshotFileName.of(version)
        let pages = try #require(Files.status(path)).size / 4_096
        try Run.succeeding(
            "/bin/dd", ["if=/dev/zero", "of=\(path)", "bs=4096", "seek=4", "count=\(pages - 8)", "conv=notrunc"])
    }

    @Test func damagedSnapshotRaisesAlarmAndPreviousIsUsed() throws {
        let world = try LaneWorld()
        for version in [100, 101] as [Int64] { try world.venue.install(version: version, crowd: 20_000) }
        try world.start()
        try spoil(world, version: 101)
        // Tags all over the snapshot, until one is on a page that is not cached.
        var uids = (0..<200).map { [UInt8]([1, 2, 3, UInt8($0)]) }
        while !uids.isEmpty, world.updates.results.last?.scan.verdict != .noSnapshot {
            world.lane.dispatch(world.arrival(world.tap(uids.removeLast())))
        }
        #expect(world.updates.results.last?.scan.verdict == .noSnapshot)
        try world.runOnce()
        #expect(world.updates.states.last?.alarms == [.snapshotUnreadable])
        #expect(GateState.read(folder: world.venue.data)?.alarms == ["snapshot cannot be read"])
        world.reloader.check()
        try world.runOnce()
        #expect(world.updates.states.last?.alarms == [.olderSnapshotInUse])
        #expect(world.updates.states.last?.snapshot == 100)
        for uid in uids.prefix(20) { world.lane.dispatch(world.arrival(world.tap(uid))) }
        #expect(world.tap(.delegate)?.scan.verdict == .admitted)
        #expect(world.updates.results.suffix(21).allSatisfy { $0.scan.verdict != .noSnapshot })
        // A valid snapshot ends the alarm.
        try world.venue.install(version: 102, crowd: 20_000)
        world.reloader.check()
        try world.runOnce()
        #expect(world.updates.states.last?.alarms == [] && world.updates.states.last?.snapshot == 102)
    }
}
