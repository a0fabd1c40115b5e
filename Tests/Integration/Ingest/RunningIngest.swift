import AMQP
import Glibc
import Ingest
import LinuxSystem
import Postgres
import Runtime
import ScanBatchCodec
import TestSupport

/// The ingest service on its own thread, with a vhost and a database.
final class RunningIngest {
    let fixture: IngestFixture
    let vhost: TestVhost
    let ingest: IngestService
    let metrics = Metrics()
    private let service: RunningService

    init(
        fixture: IngestFixture? = nil, vhost: TestVhost? = nil, shards: Int? = nil,
        databaseAwayLimitMs: Int = 600_000, queueCheckMs: Int = 30_000
    ) throws {
        self.fixture = try fixture ?? IngestFixture()
        self.vhost = try vhost ?? TestVhost()
        var settings = IngestSettings(
            brokers: [try AMQPAddress(url: self.vhost.url)], databaseURL: self.fixture.database.url,
            shards: shards, relayUsers: [TestServers.amqpUser], databaseAwayLimitMs: databaseAwayLimitMs)
        settings.queueCheckMs = queueCheckMs
        ingest = IngestService(settings, metrics: metrics)
        service = RunningService(ingest.service())
    }

    func waitUntilReady() throws { try wait("ready") { self.ingest.health.problems.isEmpty } }

    /// Waits for a condition at most `waitLimitMs`, and reports the state of the service if it is not met.
    func wait(_ what: String, _ condition: () throws -> Bool) throws {
        let deadline = SystemClock.monotonicMs() + Int64(waitLimitMs)
        while !(try condition()) {
            guard SystemClock.monotonicMs() < deadline else {
                throw TestFailure(
                    """
                    not within \(waitLimitMs) ms: \(what); problems: \(ingest.health.problems); \
                    queues (ready, unacknowledged, consumers): \((try? queues()) ?? "unknown"); \
                    received/stored: \((try? fixture.texts("SELECT received || '/' || stored FROM tapline.journals")) ?? [])
                    """)
            }
            _ = Poll.wait([], timeoutMs: 20)
        }
    }

    func waitForScans(_ count: Int) throws {
        try wait("\(count) scans") { try self.fixture.int("SELECT count(*) FROM tapline.scans") == count }
    }

    /// Waits until the broker has confirmed `count` published messages.
    func waitForConfirms(_ count: UInt64, _ publisher: AMQPConnection) throws {
        var missing = Set(1...count)
        try wait("\(count) confirms") {
            for case .confirmed(let tag, let multiple) in try publisher.poll() {
                missing = missing.filter { multiple ? $0 > tag : $0 != tag }
            }
            return missing.isEmpty
        }
    }

    /// Stops the service and returns its error.
    func end() throws -> (any Error)? {
        service.stop()
        return try service.waitForEnd()
    }

    func waitForEnd() throws -> (any Error)? { try service.waitForEnd() }

    func publisher() throws -> AMQPConnection {
        let connection = try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test publisher")
        try connection.confirmSelect()
        return connection
    }

    func broker(_ arguments: String...) throws {
        try Run.succeeding(
            Package.folder + "/scripts/servers",
            ["rabbitmqctl", String(cString: getenv("TAPLINE_SERVERS_DIR")), "-q"] + arguments)
    }

    private func queues() throws -> String {
        try TestServers.command(
            "rabbitmqctl", "-q", "list_queues", "-p", vhost.name, "--no-table-headers", "messages_ready",
            "messages_unacknowledged", "consumers"
        ).lines.joined(separator: " | ")
    }

    func waitUntilAcknowledged() throws { try wait("all acknowledged") { try self.queued() == 0 } }

    /// Returns the number of messages in all queues, ready or not acknowledged.
    func queued() throws -> Int {
        let lines = try TestServers.command("messages", vhost.name).lines
        guard let count = lines.first.flatMap({ Int($0) }) else { throw TestFailure("not a number: \(lines)") }
        return count
    }
}

extension Metrics {
    /// Returns the value of a counter or gauge; 0 if it is not rendered.
    func value(_ name: String) -> Int {
        let line = render().split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return line.flatMap { Int($0.dropFirst(name.count + 1)) } ?? 0
    }
}

extension AMQPConnection {
    /// Publishes a batch as a scanner does.
    func publish(_ batch: ScanBatch) throws { try publish(batch.encoded(), scanner: batch.scanner) }

    /// Publishes any body as a batch of a scanner.
    func publish(_ body: [UInt8], scanner: String) throws {
        _ = try publish(
            exchange: "tapline.scans", routingKey: "scan.\(scanner)", mandatory: true,
            properties: AMQPProperties(contentType: "application/cbor", userID: TestServers.amqpUser), body: body)
    }
}
