import DataFolder
import FileSystem
import GateController
import ScanModel
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

/// A gate whose event key is not the key of the snapshot.
@Suite struct EventKeyTests {
    private let venue: LaneFixture
    private let other: String

    init() throws {
        venue = try LaneFixture()
        other = try #require(EventKey([UInt8](repeating: 9, count: 32))).fingerprint
    }

    @Test func gateWithAnotherKeyDoesNotStart() throws {
        try venue.install(version: 100, fingerprint: other)
        for arguments in [venue.arguments(), venue.arguments("--check")] {
            let run = try Run.it("tapline-gate", arguments, input: "\(venue.hex(.delegate))\n")
            #expect(run.end == .exit(78) && run.lines.isEmpty)
            #expect(run.errors.contains(other) && run.errors.contains(venue.key.fingerprint))
        }
        #expect(try venue.journaled().isEmpty)
    }

    @Test func gateWithTheKeyOfTheSnapshotStarts() throws {
        try venue.install(version: 100, fingerprint: venue.key.fingerprint)
        #expect(try Run.it("tapline-gate", venue.arguments("--check")).end == .exit(0))
        let run = try Run.succeeding("tapline-gate", venue.arguments(), input: "\(venue.hex(.delegate))\n")
        #expect(run.lines.first?.contains("admitted") == true)
    }

    @Test func snapshotOfAnotherKeyIsNotTakenByARunningGate() throws {
        try venue.install(version: 100, fingerprint: venue.key.fingerprint)
        let gate = try ChildProcess(Package.program("tapline-gate"), venue.arguments("--output", "json"))
        try gate.write("\(venue.hex(.delegate))\n")
        #expect(try gate.line()?.contains("admitted") == true)
        try venue.install(version: 101, without: .delegate, fingerprint: other)
        let alarm = Alarm.snapshotOfOtherKey.description
        try eventually("the alarm is raised") {
            GateState.read(folder: venue.data)?.alarms?.contains(alarm) == true
        }
        #expect(GateState.read(folder: venue.data)?.snapshot == 100)
        try gate.write("\(venue.hex(.delegate))\n")
        #expect(try gate.line()?.contains("admitted") == true)
        #expect(try venue.journaled().allSatisfy { $0.snapshot == 100 })
        // A snapshot of the gate's key ends the alarm.
        try venue.install(version: 102, fingerprint: venue.key.fingerprint)
        try eventually("the gate has switched") {
            let state = GateState.read(folder: venue.data)
            return state?.snapshot == 102 && state?.alarms?.contains(alarm) == false
        }
    }

    @Test func restartGoesOnWithTheOlderSnapshotOfItsKey() throws {
        try venue.install(version: 100, fingerprint: venue.key.fingerprint)
        try venue.install(version: 101, without: .delegate, fingerprint: other)
        #expect(try Run.it("tapline-gate", venue.arguments("--check")).end == .exit(78))
        let run = try Run.succeeding("tapline-gate", venue.arguments(), input: "\(venue.hex(.delegate))\n")
        #expect(run.lines.first?.contains("admitted") == true && run.errors.contains("another event key"))
    }

    @Test func snapshotWithoutAKeyIsUsed() throws {
        try venue.install(version: 100)
        let reloader = SnapshotReloader(
            SnapshotStore(folder: venue.data + "/snapshots"), keyFingerprint: venue.key.fingerprint)
        reloader.check()
        #expect(reloader.nextSnapshot()?.version == 100 && !reloader.isCurrentOfOtherKey)
    }
}
