import AMQP
import CLI
import DataFolder
import FileSystem
import LinuxSystem
import Runtime
import SQLite
import ScanBatchCodec
import ScanModel
import ScanUpload
import TestSupport
import Testing

@testable import ScanJournal

/// `ship` and `resend` by their parts, on a real broker.
struct HandDeliveryTests {
    private let vhost: TestVhost

    init() throws {
        vhost = try TestVhost()
        try UploadRig.declare(vhost.url)
    }

    private func resend(
        _ rig: UploadRig, since sinceMs: Int64 = 0, url: String? = nil, patienceMs: Int64 = 30_000
    ) throws -> OfflineDelivery.Report {
        try OfflineDelivery(
            .since(sinceMs), folder: rig.folder.path, scanner: nil, urls: [url ?? vhost.url], patienceMs: patienceMs
        ).run(StopSignal())
    }

    @Test("What was confirmed is published again beside a publisher, whose cursor does not move")
    func besideAPublisher() throws {
        let rig = try UploadRig(url: vhost.url)
        try rig.tap(700)
        let first = try #require(rig.journal).id
        try rig.restartGate()
        try rig.tap(600)
        let second = try #require(rig.journal).id
        try rig.start()
        try rig.awaitConfirmed(1_300, withinMs: 20_000)
        try eventually("the cursor is on the disk") {
            try UploadCursors.read(folder: rig.folder.path) == [first: 700, second: 600]
        }
        let before = try rig.batches()
        let report = try resend(rig)
        #expect(report.scanner == "lane-1" && report.scans == 1_300 && report.journals == 2 && report.missing == 0)
        #expect(try UploadCursors.read(folder: rig.folder.path) == [first: 700, second: 600])
        let again = try rig.batches().filter { $0.count > 0 }
        for log in [first, second] {
            #expect(again.seqs(of: log) == before.seqs(of: log))
        }
        #expect(again.first { $0.log == second && $0.first == 1 }?.after == .init(log: first, lastSeq: 700))
        #expect(again.last?.backlog == 0)
        // The publisher goes on as if nothing had been.
        try rig.tap(5)
        try rig.awaitConfirmed(1_305, withinMs: 20_000)
        _ = rig.end()
        #expect(try rig.batches().seqs(of: second).keys.sorted() == Array(601...605))
    }

    @Test("A broker that is away, silent or full is given up in time, and no sooner")
    func brokerAway() throws {
        let rig = try UploadRig(url: vhost.url, link: FaultProxy.Link())
        try rig.tap(3_000)
        let proxy = try #require(rig.proxy)
        let through = vhost.url.replacing(":\(try AMQPAddress(url: vhost.url).port)/", with: ":\(proxy.port)/")
        func refused(_ words: String) {
            let patienceMs: Int64 = 1_500
            let startMs = SystemClock.monotonicMs()
            let error = #expect(throws: ProgramError.self) { try resend(rig, url: through, patienceMs: patienceMs) }
            #expect(error?.code == .unreachable && error?.description.contains("0 of 3000 scans") == true)
            #expect(error?.description.contains(words) == true, "\(String(describing: error))")
            #expect((patienceMs..<20_000).contains(SystemClock.monotonicMs() - startMs))
        }
        proxy.set { $0.refuses = true }
        refused("cannot be reached")
        proxy.set { ($0.refuses, $0.isSilent) = (false, true) }
        refused("cannot be reached")
        let full = try TestVhost()
        try UploadRig.declare(
            full.url, queue: ["x-max-length": 0, "x-overflow": "reject-publish", "x-queue-type": "classic"])
        let error = #expect(throws: ProgramError.self) { try resend(rig, url: full.url, patienceMs: 1_500) }
        #expect(error?.code == .unreachable && error?.description.contains("full") == true)
        // A link that is cut again and again is slow, and gets there.
        proxy.set { ($0.isSilent, $0.bytesPerSecond, $0.cutEveryMs) = (false, 20_000, 1_000) }
        #expect(try resend(rig, url: through).scans == 3_000)
        #expect(proxy.cuts >= 1)
    }

    @Test("A recovered journal with scans missing is shipped around them, and what is lost is told")
    func holes() throws {
        let rig = try UploadRig(url: vhost.url)
        try rig.tap(3_000)
        let log = try #require(rig.journal).id
        let card = try rig.folder.folder("card")
        for name in ["journal.sqlite", "journal.sqlite-wal"] {
            var bytes = try Files.read(rig.folder.file(name))
            // The head of each file, and some pages in the middle: of rows that lie there twice, both.
            for index in 0..<24 { bytes[index] = 0x5a }
            for index in bytes.count / 2..<min(bytes.count, bytes.count / 2 + 20_000) { bytes[index] = 0 }
            try Files.writeAtomically(bytes, to: card + "/" + name)
        }
        let report = try OfflineDelivery(
            .dead(all: false), folder: card, scanner: UploadRig.scanner, urls: [vhost.url], patienceMs: 20_000
        ).run(StopSignal())
        #expect(report.recovered.count == 1 && report.missing > 0 && report.scans + report.missing == 3_000)
        #expect(!report.isWhole && report.text().contains("lost       \(report.missing) scans"))
        #expect(try rig.batches().seqs(of: log).count == Int(report.scans))
    }
}
