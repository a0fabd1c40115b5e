import AMQP
import DataFolder
import LinuxSystem
import Runtime
import ScanBatchCodec
import ScanJournal
import ScanModel
import ScanUpload
import Synchronization
import TestSupport

/// The publisher of one scanner with a real broker: its journal, its queue, and optionally a faulty link.
final class UploadFixture {
    static let queue = "scans"
    static let scanner = ScannerID("lane-1")!

    let folder = TemporaryFolder()
    let url: String
    let proxy: FaultProxy?
    private(set) var journal: Journal?
    let status: PublisherStatus
    private let stop = StopSignal()
    private var ended: StopSignal?

    /// - Parameters:
    ///   - url: URL of a vhost that only this test uses.
    ///   - link: The faulty link, or `nil` for a direct connection.
    init(url: String, link: FaultProxy.Link? = nil) throws {
        self.url = url
        proxy = try link.map { try FaultProxy(target: UInt16(try AMQPAddress(url: url).port), $0) }
        journal = try Journal(folder: folder.path, scanner: UploadFixture.scanner)
        status = PublisherStatus(folder: folder.path, scanner: UploadFixture.scanner.text)
    }

    deinit {
        stop.stop()
        if let ended { while !ended.wait(ms: 1_000) {} }
        proxy?.end()
    }

    /// Declares exchange and queue. Without a queue, the broker returns all batches.
    static func declare(_ url: String, queue arguments: [String: AMQPValue]? = ["x-queue-type": "quorum"]) throws {
        let connection = try AMQPConnection(try AMQPAddress(url: url), name: "test")
        try connection.declareExchange("tapline.scans", type: "topic")
        guard let arguments else { return }
        try connection.declareQueue(queue, arguments: arguments)
        try connection.bindQueue(queue, exchange: "tapline.scans", routingKey: "scan.#")
    }

    func tap(_ count: Int) throws {
        let nowMs = SystemClock.nowMicroseconds() / 1_000
        _ = try journal!.appendBatch(
            (0..<count).map {
                Journal.Entry(
                    atMs: nowMs, tag: TagID(rawValue: Int64($0) &* 0x5851_f42d_4c95_7f2d), verdict: .admitted,
                    flags: [],
                    gate: 7, snapshot: 9)
            })
    }

    /// Begins a new journal in the same file, as after a restart of the gate.
    func restartGate(as scanner: ScannerID = UploadFixture.scanner) throws {
        journal = nil
        journal = try Journal(folder: folder.path, scanner: scanner)
    }

    func start(_ change: (inout Upload.Settings) -> Void = { _ in }) throws {
        var through = url
        if let proxy {
            let address = try AMQPAddress(url: url)
            through = url.replacing(":\(address.port)/", with: ":\(proxy.port)/")
        }
        var settings = try Upload.Settings(folder: folder.path, scanner: UploadFixture.scanner, urls: [through])
        settings.seed = 1
        change(&settings)
        let ended = StopSignal()
        self.ended = ended
        NamedThread("upload", stackBytes: Upload.stackBytes) { [settings, status, stop] in
            do { try Upload(settings, status).run(stop) } catch { print("upload: \(error)") }
            ended.stop()
        }
    }

    /// Stops the publisher. Returns the duration of the stop in milliseconds.
    func end() -> Int64 {
        let startMs = SystemClock.monotonicMs()
        stop.stop()
        if let ended { while !ended.wait(ms: 1_000) {} }
        return SystemClock.monotonicMs() - startMs
    }

    func awaitConfirmed(_ count: Int, withinMs limitMs: Int = waitLimitMs) throws {
        try eventually("\(count) scans confirmed", withinMs: limitMs, everyMs: 10) {
            status.confirmedScans.value >= count
        }
    }

    /// Takes all batches and heartbeats from the queue.
    func batches() throws -> [ScanBatch] {
        let connection = try AMQPConnection(try AMQPAddress(url: url), name: "test")
        let (ready, _) = try connection.declareQueue(UploadFixture.queue, passive: true)
        try connection.consume(UploadFixture.queue, consumerTag: Broker.unique("consumer"))
        let deliveries = try connection.events { $0.deliveries.count >= ready }.deliveries
        try deliveries.last.map { try connection.ack($0.tag, multiple: true) }
        connection.close()
        return try deliveries.map { try ScanBatch(decoding: $0.body) }
    }
}

extension [ScanBatch] {
    /// Returns how many batches contain each seq of a journal.
    func seqs(of log: JournalID) -> [Int64: Int] {
        var seqs: [Int64: Int] = [:]
        for batch in self where batch.journalID == log {
            for index in 0..<batch.count { seqs[batch.first + Int64(index), default: 0] += 1 }
        }
        return seqs
    }
}
