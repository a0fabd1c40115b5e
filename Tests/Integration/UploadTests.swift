import AMQP
import DataFolder
import Glibc
import LinuxSystem
import Runtime
import ScanBatchCodec
import ScanModel
import ScanUpload
import TestSupport
import Testing

@testable import ScanJournal

/// Upload to a real broker.
struct UploadTests {
    @Test func scansPassSlowLinkWithDisconnects() throws {
        let vhost = try TestVhost()
        try UploadFixture.declare(vhost.url)
        // 16 kbit/s, disconnected every 20 s. By default 16 times as fast and disconnected 16 times as often.
        let isReal = getenv("TAPLINE_TEST_REAL_LINK") != nil
        let factor = isReal ? 1 : 16
        var link = FaultProxy.Link()
        (link.bytesPerSecond, link.cutEveryMs) = (2_000 * factor, 20_000 / factor)
        let rig = try UploadFixture(url: vhost.url, link: link)
        try rig.tap(5_000)
        try rig.start()
        try rig.awaitConfirmed(5_000, withinMs: 300_000 / (isReal ? 1 : 5))
        let cuts = rig.proxy?.cuts ?? 0
        #expect(cuts >= 1, "the link was never cut")
        _ = rig.end()
        let batches = try rig.batches()
        let seqs = batches.seqs(of: rig.journal!.id)
        #expect(seqs.count == 5_000 && seqs.keys.min() == 1 && seqs.keys.max() == 5_000)
        // A disconnect repeats only the batches in flight.
        let sent = seqs.values.reduce(0, +)
        #expect(sent < 5_000 + cuts * 2_000, "\(sent) scans sent, \(cuts) cuts")
        #expect(try UploadCursors.read(folder: rig.folder.path) == [rig.journal!.id: 5_000])
    }

    /// The clock of the device is in 1970. The monotonic clock tells how long ago the tap was.
    @Test func scanUnderADoubtedClockIsUploadedWithElapsed() throws {
        let vhost = try TestVhost()
        try UploadFixture.declare(vhost.url)
        let rig = try UploadFixture(url: vhost.url)
        let journal = try #require(rig.journal)
        let tappedMs = SystemClock.monotonicMs()
        for flags in [Flags.clockNotTrusted, []] {
            _ = try journal.append(
                atMs: 5_000, tag: TagID(rawValue: 1), verdict: .admitted, flags: flags, gate: 7, snapshot: 9)
        }
        try rig.start()
        try rig.awaitConfirmed(2)
        let elapsedMs = SystemClock.monotonicMs() - tappedMs
        _ = rig.end()
        let batches = try rig.batches()
        let batch = try #require(batches.first { $0.count == 2 })
        let elapsed = try #require(batch.elapsedMs)
        #expect((0...elapsedMs).contains(Int64(elapsed[0])) && elapsed[1] == -1)
        #expect(batches.allSatisfy { $0.count > 0 || $0.elapsedMs == nil })
    }

    @Test func singleScanIsUploadedWithinAgeLimit() throws {
        let vhost = try TestVhost()
        try UploadFixture.declare(vhost.url)
        let rig = try UploadFixture(url: vhost.url)
        try rig.start()
        try eventually("a heartbeat") { rig.status.heartbeats.value == 1 }
        let tappedMs = SystemClock.monotonicMs()
        try rig.tap(1)
        try rig.awaitConfirmed(1)
        // 1 s age limit, one poll of the journal, and a broker on a machine whose cores are busy.
        #expect(SystemClock.monotonicMs() - tappedMs < 15_000)
        let batches = try rig.batches()
        #expect(batches.map(\.count) == [0, 1])
        #expect(batches.map(\.first) == [1, 1])
        #expect(batches.allSatisfy { $0.scanner == "lane-1" && $0.journalID == rig.journal!.id && $0.backlog == 0 })
        #expect(batches[1].gate == 7 && batches[1].snapshot == 9 && batches[1].after == nil)
        #expect(batches[0].state["software"] == .text(Software.version))
    }

    @Test func newJournalNamesPreviousOneOfItsScanner() throws {
        let vhost = try TestVhost()
        try UploadFixture.declare(vhost.url)
        let rig = try UploadFixture(url: vhost.url)
        try rig.tap(3)
        let first = rig.journal!.id
        try rig.restartGate(as: ScannerID("lane-9")!)
        try rig.tap(5)
        try rig.restartGate()
        try rig.tap(2)
        try rig.start()
        try rig.awaitConfirmed(5)
        _ = rig.end()
        let batches = try rig.batches().filter { $0.count > 0 }
        #expect(batches.map(\.count) == [3, 2] && batches.map(\.backlog) == [2, 0])
        #expect(batches[1].after == .init(journalID: first, lastSeq: 3))
        let report = StatusReport(folder: rig.folder.path, scanner: nil)
        #expect(report.foreign == ["lane-9": 5] && report.backlog == 0)
    }

    @Test func uploadWaitsForExchangeQueueAndSpace() throws {
        let vhost = try TestVhost()
        let rig = try UploadFixture(url: vhost.url)
        try rig.tap(1_200)
        try rig.start()
        func refusals() -> Int { rig.status.report.upload.refusals }
        func error() -> String { rig.status.report.upload.lastError ?? "" }
        try eventually("the missing exchange is noticed") { error().contains("404") }
        try UploadFixture.declare(vhost.url, queue: nil)
        try eventually("the missing queue is noticed") { error().contains("NO_ROUTE") }
        #expect(rig.status.confirmedScans.value == 0)
        // A queue that accepts one message and rejects the others.
        try UploadFixture.declare(
            vhost.url, queue: ["x-max-length": 1, "x-overflow": "reject-publish", "x-queue-type": "classic"])
        try eventually("the full queue is noticed") { error().contains("full") }
        var all: [ScanBatch] = []
        try eventually("everything arrives") {
            all += try rig.batches()
            return rig.status.confirmedScans.value == 1_200
        }
        _ = rig.end()
        all += try rig.batches()
        #expect(all.seqs(of: rig.journal!.id).count == 1_200)
    }

    @Test func uploadResumesAfterResetsAndSilence() throws {
        let vhost = try TestVhost()
        try UploadFixture.declare(vhost.url)
        var link = FaultProxy.Link()
        link.resets = true
        let rig = try UploadFixture(url: vhost.url, link: link)
        try rig.start { $0.heartbeatS = 1 }
        for round in 1...5 {
            try rig.tap(700)
            rig.proxy!.cut()
            try rig.awaitConfirmed(700 * round)
        }
        // The peer is silent and the connection stays open. Only missed heartbeats show it.
        let connects = rig.status.connects.value
        rig.proxy!.set { $0.isSilent = true }
        try rig.tap(700)
        try eventually("the silence is noticed") { rig.status.report.upload.state == .waiting }
        rig.proxy!.set { $0.isSilent = false }
        try rig.awaitConfirmed(4_200)
        #expect(rig.status.connects.value > connects)
        #expect(rig.end() < 5_000)
        #expect(try rig.batches().seqs(of: rig.journal!.id).count == 4_200)
    }

    @Test func connectionWithoutConfirmsIsAbandoned() throws {
        let vhost = try TestVhost()
        try UploadFixture.declare(vhost.url)
        let rig = try UploadFixture(url: vhost.url)
        // A suspended queue, as in a cluster that has lost two of three nodes.
        let server = """
            {ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"\(vhost.name)">>, queue, <<"\(UploadFixture.queue)">>)),
            ok = sys:DO(element(1, amqqueue:get_pid(Q))).
            """
        try TestServers.command("evaluate", server.replacing("DO", with: "suspend"))
        try rig.tap(700)
        // The heartbeat interval is shorter than the stall limit.
        try rig.start { ($0.heartbeatS, $0.limits.stallMs) = (2, 4_000) }
        try eventually("the connection is abandoned") {
            rig.status.report.upload.lastError?.contains("publish stalled") == true
        }
        try TestServers.command("evaluate", server.replacing("DO", with: "resume"))
        try rig.awaitConfirmed(700)
        #expect(rig.status.connects.value > 1)
        _ = rig.end()
        #expect(try rig.batches().seqs(of: rig.journal!.id).count == 700)
    }

    @Test func stopEndsLoginToUnresponsiveBroker() throws {
        let listener = try LoopbackListener()
        defer { listener.end() }
        let rig = try UploadFixture(url: "amqp://127.0.0.1:\(listener.port)/")
        try rig.start()
        // The TCP connection is open. The login would wait for 20 s.
        #expect(Poll.wait([listener.descriptor], timeoutMs: waitLimitMs) == [true])
        #expect(rig.end() < 2_000)
    }

    @Test func brokerFaultsLoseNoScans() throws {
        let servers = try OwnServers()
        try UploadFixture.declare(servers.amqpURL)
        // A quorum queue that was declared within a second before a SIGKILL is lost (RabbitMQ 3.10.8).
        try servers.command("restart-broker")
        let rig = try UploadFixture(url: servers.amqpURL)
        try rig.start()
        try rig.tap(5_000)
        try rig.awaitConfirmed(1)
        try servers.command("kill-broker")
        try rig.tap(5_000)
        try servers.command("restart-broker")
        try rig.awaitConfirmed(10_000)
        // A memory alarm blocks publishing connections and notifies them.
        try servers.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1MB")
        try rig.tap(2_000)
        try eventually("the alarm is noticed") { rig.status.report.upload.state == .blocked }
        let confirmed = rig.status.confirmedScans.value
        #expect(confirmed < 12_000)
        try servers.rabbitmqctl("set_vm_memory_high_watermark", "0.4")
        try rig.awaitConfirmed(12_000)
        _ = rig.end()
        #expect(try rig.batches().seqs(of: rig.journal!.id).count == 12_000)
    }
}

extension OwnServers {
    fileprivate func rabbitmqctl(_ arguments: String...) throws {
        try Run.succeeding(
            Package.folder + "/scripts/servers", ["rabbitmqctl", folder.path, "-q"] + arguments)
    }
}
