import DataFolder
import FileSystem
import GateController
import Glibc
import LinuxSystem
import TestSupport
import Testing

/// The lane's sign of life, written by the loop that decides taps.
@Suite struct GateBeatTests {
    private let venue: LaneFixture

    init() throws {
        venue = try LaneFixture()
        try venue.install(version: 100)
    }

    /// How the gate is judged in some time, if it makes no turn until then.
    private func liveness(inMs ms: Int64 = 0) -> GateLiveness {
        GateLiveness(
            folder: venue.data, GateState.read(folder: venue.data), nowMs: SystemClock.monotonicMs() + ms)
    }

    private func awaitBeat(of gate: ChildProcess) throws {
        try eventually("the gate beats") {
            GateBeat.read(folder: venue.data)?.pid == gate.pid && GateState.read(folder: venue.data)?.pid == gate.pid
        }
    }

    @Test func stoppedProcessDoesNotRespondUntilItContinues() throws {
        let gate = try ChildProcess(Package.program("tapline-gate"), venue.arguments())
        try awaitBeat(of: gate)
        #expect(!GateStatus(folder: venue.data, scanner: nil).faults.contains { $0.contains("respond") })
        try gate.freeze()
        try eventually("the gate does not respond") { liveness() != .running }
        let status = try Run.reporting("tapline-gate", ["status", "--data", venue.data])
        #expect(status.end == .exit(1) && status.lines.first == "scanner   gate-7  (not responding)")
        #expect(status.errors.contains("alarm: the gate does not respond since 1"))
        let upload = try Run.reporting("tapline-publisher", ["status", "--data", venue.data])
        #expect(upload.lines.contains { $0.hasPrefix("alarm      the gate does not respond since 1") })
        gate.kill(SIGCONT)
        try eventually("the gate responds") { liveness() == .running }
        #expect(try gate.stop() == .exit(0))
    }

    @Test func lanesThatWaitForTheirOutputDoNotBeat() throws {
        // The verdicts are not read, so the lane waits at its next one. The other threads of the gate run on.
        let gate = try ChildProcess(Package.program("tapline-gate"), venue.arguments("--output", "json"))
        try awaitBeat(of: gate)
        try gate.write(String(repeating: "\(venue.hex(.delegate))\n", count: 2_000))
        let limitMs = GateLiveness.limitMs
        // Longer than the interval of a lane that works: four seconds without a beat.
        try eventually("the lane waits") { liveness(inMs: limitMs - 4_000) != .running }
        for _ in 0..<2_000 { _ = try gate.line() }
        try eventually("the lane beats again") { liveness(inMs: limitMs - 4_000) == .running }
        #expect(try gate.stop() == .exit(0))
    }

    @Test func newGateRemovesTheBeatOfAnEarlierOne() throws {
        let first = try ChildProcess(Package.program("tapline-gate"), venue.arguments())
        try awaitBeat(of: first)
        first.kill()
        #expect(GateBeat.read(folder: venue.data) != nil)
        let second = try ChildProcess(Package.program("tapline-gate"), venue.arguments())
        try awaitBeat(of: second)
        #expect(liveness() == .running)
    }

    @Test func gateAndPublisherOfAnotherFolderDoNotCount() throws {
        let gate = try ChildProcess(Package.program("tapline-gate"), venue.arguments())
        let publisher = try ChildProcess(
            Package.program("tapline-publisher"),
            ["run", "--data", venue.data, "--scanner", "gate-7", "--amqp-url", "amqp://127.0.0.1:9"],
            errors: venue.folder.file("publisher-log"))
        try awaitBeat(of: gate)
        try eventually("the publisher runs") {
            try Run.reporting("tapline-publisher", ["status", "--data", venue.data]).lines.contains("running    yes")
        }
        // A copy of the folder names the process IDs of the programs of this one.
        let other = venue.folder.file("other")
        try Files.makeFolder(other)
        for name in ["gate.json", "gate.beat", "gate.lock", "publisher.json", "publisher.lock"] {
            try Files.copy(venue.data + "/" + name, to: other + "/" + name)
        }
        #expect(GateLiveness(folder: other, GateState.read(folder: other)) == .stopped)
        let lane = try Run.reporting("tapline-gate", ["status", "--data", other])
        #expect(lane.end == .exit(1) && lane.lines.first == "scanner   gate-7  (not running)")
        let upload = try Run.reporting("tapline-publisher", ["status", "--data", other]).lines
        #expect(upload.contains("running    no") && upload.contains("alarm      no gate is running on this folder"))
        #expect(try publisher.stop() == .exit(0))
        #expect(try gate.stop() == .exit(0))
    }
}
