import FileSystem
import Glibc
import LinuxSystem
import Runtime
import ScanJournal
import ScanModel
import TestSupport
import Testing

/// Tests the publisher's program with a broker that lies.
struct LyingBrokerTests {
    /// What the broker sends without an end, once the client waits for an answer.
    enum Lie: String, CaseIterable, Sendable {
        case confirms, deliveries, largeReturns, unknownMethods

        var bytes: [UInt8] {
            switch self {
            case .confirms: frameBytes(1, 1, be32(0x003c_0050) + be64(1) + [0])
            case .deliveries: WireMessage.delivery(tag: 1, body: [UInt8](repeating: 1, count: 100_000))
            case .largeReturns: WireMessage.returned(body: [UInt8](repeating: 1, count: 1 << 20))
            case .unknownMethods: frameBytes(1, 1, be32(0x003c_006f) + [0])
            }
        }
    }

    /// The publisher stays small, and ends after SIGTERM.
    @Test(arguments: Lie.allCases)
    func publisherStaysSmallAndObeysSIGTERM(lie: Lie) throws {
        let folder = TemporaryFolder("lies")
        _ = try Journal(folder: folder.path, scanner: ScannerID("lane-1")!)
        let flooding = StopSignal()
        let broker = try ScriptedBroker { peer in
            _ = try peer.awaitMethod(ScriptedBroker.Number.confirmSelect)
            flooding.stop()
            peer.flood(lie.bytes)
        }
        let publisher = try ChildProcess(
            Package.program("tapline-publisher"),
            ["run", "--data", folder.path, "--scanner", "lane-1", "--amqp-url", broker.url], output: .null,
            errors: folder.file("log"))
        #expect(flooding.wait(ms: waitLimitMs))
        // Some seconds of flood, unless the publisher cuts it first.
        let endMs = SystemClock.monotonicMs() + 3_000
        try eventually("the flood lasts", withinMs: 10_000) { SystemClock.monotonicMs() >= endMs }
        let peak = try Self.peakBytes(publisher.pid)
        #expect(peak < 200 << 20, "\(peak >> 20) MiB")
        let startMs = SystemClock.monotonicMs()
        #expect(try publisher.stop() == .exit(0), "\(publisher.errorTail())")
        #expect(SystemClock.monotonicMs() - startMs < 9_000, "the limit of the daemon ended it")
    }

    /// The largest memory of a process so far, in bytes.
    private static func peakBytes(_ pid: Int32) throws -> Int {
        for line in try Files.readText("/proc/\(pid)/status").split(separator: "\n") where line.hasPrefix("VmHWM:") {
            if let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) {
                return kilobytes << 10
            }
        }
        throw TestFailure("no VmHWM of process \(pid)")
    }
}
