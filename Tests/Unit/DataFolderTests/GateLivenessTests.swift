import DataFolder
import FileSystem
import Glibc
import LinuxSystem
import TestSupport
import Testing

/// The judgement whether a gate whose process runs still decides.
struct GateLivenessTests {
    private static let boot = BootID(bytes: Array(1...16))
    private let folder = TemporaryFolder("gate-liveness")
    private let lock: FileLock
    private let state = GateState(
        pid: 7, scanner: "gate-7", journal: "", reader: "stdin", software: "1", startedS: 0, snapshot: 0)

    init() throws { lock = try FileLock(DataFolderPaths.gateLock(folder.path)) }

    private func judge(_ nowMs: Int64, boot: BootID? = GateLivenessTests.boot, state: GateState?) -> GateLiveness {
        withExtendedLifetime(lock) { GateLiveness(folder: folder.path, state, nowMs: nowMs, bootID: boot) }
    }

    @Test func gateWithoutABeatCountsAsRunning() throws {
        #expect(judge(1 << 40, state: state) == .running)
        try Files.writeAtomically(Array("no beat".utf8), to: DataFolderPaths.gateBeat(folder.path))
        #expect(judge(1 << 40, state: state) == .running)
    }

    @Test func oldBeatMeansThatTheGateDoesNotRespond() throws {
        try GateBeat(bootID: Self.boot, pid: 7, atMs: 5_000).write(folder: folder.path)
        let limitMs = 5_000 + GateLiveness.limitMs
        #expect(judge(5_000, state: state) == .running && judge(limitMs, state: state) == .running)
        #expect(judge(limitMs + 1, state: state) == .unresponsive(ms: GateLiveness.limitMs + 1))
        #expect(judge(80_000, state: state).fault == "the gate does not respond since 75 s")
        try GateBeat(bootID: Self.boot, pid: 7, atMs: 80_000).write(folder: folder.path)
        #expect(judge(80_000, state: state) == .running && judge(80_000, state: state).fault == nil)
    }

    @Test func incomparableBeatSaysNothing() throws {
        try GateBeat(bootID: Self.boot, pid: 7, atMs: 90_000).write(folder: folder.path)
        var other = state
        other.pid = 8
        let late: Int64 = 1 << 40
        #expect(judge(late, state: other) == .running && judge(late, state: nil) == .running)
        #expect(judge(late, boot: BootID(bytes: Array(2...17)), state: state) == .running)
        #expect(judge(late, boot: nil, state: state) == .running)
        // A reader whose clock is behind.
        #expect(judge(500, state: state) == .running)
    }

    @Test func folderWithoutAProcessIsStopped() throws {
        let other = TemporaryFolder("gate-liveness-stopped")
        try GateBeat(bootID: Self.boot, pid: 7, atMs: 1).write(folder: other.path)
        let stopped = GateLiveness(folder: other.path, nil, nowMs: 2, bootID: Self.boot)
        #expect(stopped == .stopped && stopped.fault == "no gate is running on this folder")
    }

    @Test func writtenBeatIsReadUnchanged() throws {
        for atMs: Int64 in [0, 1, .max, 12] {
            let beat = GateBeat(bootID: Self.boot, pid: .max, atMs: atMs)
            try beat.write(folder: folder.path)
            #expect(GateBeat.read(folder: folder.path) == beat)
        }
    }
}
