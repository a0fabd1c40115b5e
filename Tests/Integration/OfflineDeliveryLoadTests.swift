import AMQP
import DataFolder
import ErrorModel
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

/// `ship` and `resend` with a real broker.
struct OfflineDeliveryLoadTests {
    private let vhost: TestVhost

    init() throws {
        vhost = try TestVhost()
        try UploadFixture.declare(vhost.url)
    }

    private func resend(
        _ rig: UploadFixture, since sinceMs: Int64 = 0, url: String? = nil, confirmLimitMs: Int64 = 30_000
    ) throws -> OfflineDelivery.Report {
        try OfflineDelivery(
            .since(sinceMs), folder: rig.folder.path, scanner: nil, urls: [url ?? vhost.url],
            confirmLimitMs: confirmLimitMs
        ).run(StopSignal())
    }

    @Test func resendBesidePublisherMovesNoCursor() throws {
        let rig = try UploadFixture(url: vhost.url)
        try rig.tap(700)
        let first = try #require(rig.journal).id
        try rig.restartGate()
        try rig.tap(600)
        let second = try #require(rig.journal).id
        try rig.start()
        try rig.awaitConfirmed(1_300)
        try eventually("the cursor is on the disk") {
            try UploadCursors.read(folder: rig.folder.path) == [first: 700, second: 600]
        }
        let before = try rig.batches()
        let report = try resend(rig)
        #expect(
            report.source.scanner == "lane-1" && report.scans == 1_300 && report.journals == 2
                && report.source.missing == 0)
        #expect(try UploadCursors.read(folder: rig.folder.path) == [first: 700, second: 600])
        let again = try rig.batches().filter { $0.count > 0 }
        for log in [first, second] {
            #expect(again.seqs(of: log) == before.seqs(of: log))
        }
        #expect(again.first { $0.journalID == second && $0.first == 1 }?.after == .init(journalID: first, lastSeq: 700))
        #expect(again.last?.backlog == 0)
        // The publisher continues as before.
        try rig.tap(5)
        try rig.awaitConfirmed(1_305)
        _ = rig.end()
        #expect(try rig.batches().seqs(of: second).keys.sorted() == Array(601...605))
    }

    @Test func deliveryFailsAfterTheConfirmLimitAndNotBefore() throws {
        let rig = try UploadFixture(url: vhost.url, link: FaultProxy.Link())
        try rig.tap(3_000)
        let proxy = try #require(rig.proxy)
        let through = vhost.url.replacing(":\(try AMQPAddress(url: vhost.url).port)/", with: ":\(proxy.port)/")
        func refused(_ words: String) {
            let confirmLimitMs: Int64 = 1_500
            let startMs = SystemClock.monotonicMs()
            let error = #expect(throws: UploadError.self) {
                try resend(rig, url: through, confirmLimitMs: confirmLimitMs)
            }
            #expect(error?.category == .unavailable && error?.description.contains("0 of 3000 scans") == true)
            #expect(error?.description.contains(words) == true, "\(String(describing: error))")
            #expect((confirmLimitMs..<Int64(waitLimitMs)).contains(SystemClock.monotonicMs() - startMs))
        }
        proxy.set { $0.refuses = true }
        refused("broker unreachable")
        proxy.set { ($0.refuses, $0.isSilent) = (false, true) }
        refused("broker unreachable")
        let full = try TestVhost()
        try UploadFixture.declare(
            full.url, queue: ["x-max-length": 0, "x-overflow": "reject-publish", "x-queue-type": "classic"])
        let error = #expect(throws: UploadError.self) { try resend(rig, url: full.url, confirmLimitMs: 1_500) }
        #expect(error?.category == .unavailable && error?.description.contains("full") == true)
        // A link that is cut every second is slow, but delivers.
        proxy.set { ($0.isSilent, $0.bytesPerSecond, $0.cutEveryMs) = (false, 20_000, 1_000) }
        #expect(try resend(rig, url: through).scans == 3_000)
        #expect(proxy.cuts >= 1)
    }

    @Test func recoveredJournalWithGapsIsDelivered() throws {
        let rig = try UploadFixture(url: vhost.url)
        try rig.tap(3_000)
        let log = try #require(rig.journal).id
        let card = try rig.folder.folder("card")
        for name in ["journal.sqlite", "journal.sqlite-wal"] {
            var bytes = try Files.read(rig.folder.file(name))
            // The header of each file, and pages in the middle. Rows that are in both files are lost in both.
            for index in 0..<24 { bytes[index] = 0x5a }
            for index in bytes.count / 2..<min(bytes.count, bytes.count / 2 + 20_000) { bytes[index] = 0 }
            try Files.writeAtomically(bytes, to: card + "/" + name)
        }
        let report = try OfflineDelivery(
            .dead(all: false), folder: card, scanner: UploadFixture.scanner, urls: [vhost.url], confirmLimitMs: 20_000
        ).run(StopSignal())
        #expect(
            report.source.recovered.count == 1 && report.source.missing > 0
                && report.scans + report.source.missing == 3_000)
        #expect(
            !report.source.isComplete
                && report.lines().contains { $0.hasPrefix("lost       \(report.source.missing) scans") })
        #expect(try rig.batches().seqs(of: log).count == Int(report.scans))
    }
}
