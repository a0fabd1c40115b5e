import FakeCenter
import LinuxSystem
import Runtime
import ScanJournal
import ScanModel
import Snapshots
import TestSupport
import Testing

@testable import FleetSimulation

@Suite struct FleetTests {
    @Test func sameSeedDrawsSameTaps() {
        func taps(_ seed: UInt64) -> [Journal.Entry] {
            let world = FleetWorld(attendees: 50, scanners: 3, seed: seed)
            var random = SeededRandom(seed: seed)
            return (0..<500).map { world.draw($0 % 3, atMs: Int64($0), &random) }
        }
        #expect(taps(1) == taps(1))
        #expect(taps(1) != taps(2))
        #expect(taps(1).allSatisfy { $0.verdict == .admitted && $0.gate == nil && $0.snapshot == 0 })
        #expect((50...150).contains(taps(1).count { $0.flags.contains(.out) }))
    }

    @Test func snapshotTapsAreDecidedByGateRules() throws {
        let center = try TestCenter()
        let manifest = try center.publish(version: 7, people: 100)
        let snapshot = try Snapshot(path: center.folder.file(manifest.file))
        let world = try FleetWorld(snapshot, scanners: [ScannerID("fleet-0001")!])
        var random = SeededRandom(seed: 1)
        let taps = (0..<2_000).map { _ in
            world.draw(0, atMs: SystemClock.nowMicroseconds() / 1_000, &random)
        }
        #expect(taps.allSatisfy { $0.gate == 1 && $0.snapshot == 7 })
        #expect(Set(taps.map(\.verdict)) == [.admitted, .unknownTag])
        #expect((1...60).contains(taps.count { $0.verdict == .unknownTag }))
    }

    @Test func clocksBehindGiveFlaggedTapsIn1970() throws {
        let folder = TemporaryFolder("behind")
        let world = FleetWorld(attendees: 50, scanners: 2, seed: 1)
        let shares = try (0..<2).map { number in
            FleetShare(
                number: number, scanner: try #require(ScannerID("fleet-000\(number + 1)")),
                folder: folder.file("\(number)"), scans: 20, taps: nil)
        }
        let writer = try FleetWriter(world, shares, seed: 1, scannersBehind: 1, FleetWriter.Progress())
        try writer.fill(StopSignal())
        for share in shares {
            let reader = JournalReader(folder: share.folder)
            let number = try #require(try reader.journals().first).id
            let scans = try reader.read(journal: number, after: 0, limit: 100)
            let isBehind = share.number == 0
            #expect(scans.count == 20)
            #expect(scans.allSatisfy { $0.flags.contains(.clockNotTrusted) == isBehind })
            #expect(scans.allSatisfy { ($0.atMs < 86_400_000) == isBehind })
        }
        withExtendedLifetime(writer) {}
    }

    @Test func traceAssignsGatesInOrderAndKeepsTimes() throws {
        let text = """
            gate,tag,at,direction
            North,5,2019-05-06T08:30:28Z,in
            South,-6,2019-05-06T08:30:29Z,in
            North,7,2019-05-06T08:30:30.5Z,out
            """
        let trace = try FleetTrace(text: text, name: "t", scanners: 2, key: nil, limit: nil)
        #expect(trace.taps.map { $0.map(\.tag.rawValue) } == [[5, 7], [-6]])
        #expect(trace.taps[0].map(\.atMs) == [1_557_131_428_000, 1_557_131_430_500])
        #expect(trace.taps[0].map(\.flags) == [[], .out])
        #expect(try FleetTrace(text: text, name: "t", scanners: 1, key: nil, limit: 2).count == 2)
        let key = EventKey([UInt8](repeating: 1, count: 32))!
        let uids = try FleetTrace(
            text: "scanner,uid,at\r\n2,04a1,2019-05-06T08:30:28Z\r\n", name: "t", scanners: 2, key: key, limit: nil)
        #expect(uids.taps[1].map(\.tag) == [key.tagID(of: .uid([0x04, 0xa1]))])
    }

    @Test(
        arguments: [
            "", "gate,tag", "tag,at", "gate,tag,at,colour", "scanner,uid,at",
            "scanner,tag,at\n0,1,2019-05-06T08:30:28Z",
            "scanner,tag,at\n1,x,2019-05-06T08:30:28Z", "scanner,tag,at\n1,1,yesterday", "scanner,tag,at\n1,1",
            "scanner,tag,at,direction\n1,1,2019-05-06T08:30:28Z,up",
        ])
    func invalidTraceIsRejected(_ text: String) {
        #expect(throws: FleetError.self) {
            try FleetTrace(text: text, name: "t", scanners: 1, key: nil, limit: nil)
        }
    }
}
