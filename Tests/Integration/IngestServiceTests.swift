import AMQP
import Glibc
import Ingest
import Postgres
import ScanBatchCodec
import ScanModel
import Synchronization
import TestSupport
import Testing

@testable import CLI
@testable import LinuxSystem
@testable import Runtime

/// The running ingest between a real broker and a real database, with both failing under it.
@Suite(.serialized) struct IngestServiceTests {
    /// A vhost, a database, and the service on its own thread.
    final class Running {
        let fixture: IngestFixture
        let vhost: TestVhost
        let ingest: IngestService
        let metrics = Metrics()
        private let stop = StopSignal()
        private let ended = StopSignal()
        private let outcome = Outcome()

        private final class Outcome: Sendable {
            let failure = Mutex<(any Error)?>(nil)
        }

        init(
            fixture: IngestFixture? = nil, vhost: TestVhost? = nil, shards: Int? = nil,
            databaseAwayLimitMs: Int = 600_000, queueLookMs: Int = 30_000
        ) throws {
            self.fixture = try fixture ?? IngestFixture()
            self.vhost = try vhost ?? TestVhost()
            var settings = IngestSettings(
                brokers: [try AMQPAddress(url: self.vhost.url)], databaseURL: self.fixture.database.url,
                shards: shards, relayUsers: [TestServers.amqpUser], databaseAwayLimitMs: databaseAwayLimitMs)
            settings.queueLookMs = queueLookMs
            ingest = IngestService(settings, metrics: metrics)
            let (service, stop, ended, outcome) = (ingest.service(), stop, ended, outcome)
            Task {
                do { try await service.run(stop) } catch { outcome.failure.withLock { $0 = error } }
                ended.stop()
            }
        }

        deinit { stop.stop() }

        func waitUntilReady() throws { try wait("ready") { self.ingest.health.problems.isEmpty } }

        func wait(_ what: String, _ condition: () throws -> Bool) throws {
            let deadline = SystemClock.monotonicMs() + 30_000
            while !(try condition()) {
                guard SystemClock.monotonicMs() < deadline else {
                    throw TestFailure(
                        """
                        not within 30 s: \(what); problems: \(ingest.health.problems); \
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

        /// Waits until the broker has taken everything that was published, `count` messages.
        func waitForConfirms(_ count: UInt64, _ publisher: AMQPConnection) throws {
            var missing = Set(1...count)
            try wait("\(count) confirms") {
                for case .confirmed(let tag, let multiple) in try publisher.poll() {
                    missing = missing.filter { multiple ? $0 > tag : $0 != tag }
                }
                return missing.isEmpty
            }
        }

        /// Stops it and gives its error.
        func end() throws -> (any Error)? {
            stop.stop()
            guard ended.wait(ms: 10_000) else { throw TestFailure("did not stop within 10 s") }
            return outcome.failure.withLock { $0 }
        }

        func waitForEnd() throws -> (any Error)? {
            guard ended.wait(ms: 10_000) else { throw TestFailure("did not end within 10 s") }
            return outcome.failure.withLock { $0 }
        }

        func publisher() throws -> AMQPConnection {
            let connection = try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test publisher")
            try connection.confirmSelect()
            return connection
        }

        func broker(_ arguments: String...) throws {
            try Run.succeeding(
                Package.folder + "/scripts/servers",
                ["rabbitmqctl", String(cString: getenv("TAPLINE_SERVERS_DIR")), "-q"] + arguments, withinMs: 60_000)
        }

        private func queues() throws -> String {
            try TestServers.command(
                "rabbitmqctl", "-q", "list_queues", "-p", vhost.name, "--no-table-headers", "messages_ready",
                "messages_unacknowledged", "consumers"
            ).lines.joined(separator: " | ")
        }

        /// Messages that the broker still holds, ready or not acknowledged.
        func queued() throws -> Int {
            let output = try TestServers.command(
                "rabbitmqctl", "-q", "list_queues", "-p", vhost.name, "--no-table-headers", "messages")
            return output.lines.compactMap { Int($0.trimmingSpaces) }.reduce(0, +)
        }
    }

    private func journal(_ scanner: String, count: Int) -> MadeJournal {
        let scans = (1...Int64(count)).map { seq -> Scan in
            let tag = TagID(rawValue: seq % 40 + 1)
            let atMs = IngestFixture.day / 1_000 + seq
            return Scan(seq: seq, atMs: atMs, tag: tag, verdict: .admitted, flags: [], gate: nil, snapshot: 7)
        }
        return MadeJournal(scanner: scanner, log: .random(), scans: scans)
    }

    private func publish(_ batch: ScanBatch, _ connection: AMQPConnection) throws {
        try publish(batch.encoded(), "scan.\(batch.scanner)", connection)
    }

    private func publish(_ body: [UInt8], _ key: String, _ connection: AMQPConnection) throws {
        _ = try connection.publish(
            exchange: "tapline.scans", routingKey: key, mandatory: true,
            properties: AMQPProperties(contentType: "application/cbor", userID: TestServers.amqpUser), body: body)
    }

    @Test func storesAcknowledgesAndQuarantines() throws {
        let running = try Running()
        try running.waitUntilReady()
        let publisher = try running.publisher()
        let journals = ["s-1", "s-2", "s-3", "s-4"].map { journal($0, count: 200) }
        for journal in journals {
            for first in stride(from: 181, through: 1, by: -20) { try publish(journal.batch(first, 20), publisher) }
            try publish(journal.batch(1, 200), publisher)
            try publish(Array("poison".utf8), "scan.\(journal.scanner)", publisher)
        }
        try running.waitForScans(800)
        try running.wait("all counted") {
            try running.fixture.int("SELECT sum(received) FROM tapline.journals") == 1_600
        }
        try running.wait("all acknowledged") { try running.queued() == 0 }
        #expect(try running.fixture.int("SELECT count(*) FROM tapline.quarantine WHERE reason = 'malformed'") == 4)
        try running.fixture.checkBooks()
        try running.fixture.checkPresence()
        let text = running.metrics.render()
        #expect(text.contains("tapline_ingest_scans_stored_total 800\n"))
        #expect(text.contains("tapline_ingest_quarantined_total{reason=\"malformed\"} 4\n"))
        #expect(try running.end() == nil)
        #expect(running.ingest.health.problems.count == 2)
    }

    @Test func comesBackWhenTheBrokerOrTheDatabaseCutsItOff() throws {
        let running = try Running()
        try running.waitUntilReady()
        let journal = journal("s-1", count: 600)
        for round in 0..<6 {
            let publisher = try running.publisher()
            for first in stride(from: round * 100 + 1, through: round * 100 + 91, by: 10) {
                try publish(journal.batch(first, 10), publisher)
            }
            // What is not confirmed may be lost with its connection, and then no center could store it.
            try running.waitForConfirms(10, publisher)
            if round % 2 == 0 {
                publisher.close()
                try running.broker("close_all_connections", "-p", running.vhost.name, "test")
            } else {
                _ = try running.fixture.connection.query(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'tapline-center ingest'
                    """)
            }
            try running.waitForScans((round + 1) * 100)
        }
        try running.waitUntilReady()
        try running.wait("all acknowledged") { try running.queued() == 0 }
        try running.fixture.checkBooks()
        #expect(try running.fixture.int("SELECT count(*) FROM tapline.quarantine") == 0)
    }

    @Test func aDeletedQueueIsDeclaredAgain() throws {
        let running = try Running()
        try running.waitUntilReady()
        let publisher = try running.publisher()
        for shard in 0..<4 { try publisher.deleteQueue("tapline.scans.\(shard)") }
        let journal = journal("s-1", count: 10)
        try running.wait("a stored scan") {
            try publish(journal.batch(1, 10), publisher)
            return try running.fixture.int("SELECT count(*) FROM tapline.scans") == 10
        }
        try running.waitUntilReady()
    }

    /// The broker forgets the consumers and tells nobody: connected, subscribed, and nothing comes.
    @Test func aQueueThatFallsSilentIsNoticed() throws {
        let running = try Running(queueLookMs: 400)
        try running.waitUntilReady()
        for shard in 0..<4 {
            try running.broker(
                "eval",
                """
                {ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"\(running.vhost.name)">>, queue,
                    <<"tapline.scans.\(shard)">>)),
                [Consumer] = rabbit_amqqueue:consumers(Q),
                {ok, _, _} = ra:process_command(amqqueue:get_pid(Q), rabbit_fifo:make_checkout(
                    {element(2, Consumer), element(1, Consumer)}, cancel, #{})).
                """)
        }
        let publisher = try running.publisher()
        let journals = ["s-1", "s-2", "s-3", "s-4"].map { journal($0, count: 20) }
        for journal in journals { try publish(journal.batch(1, 20), publisher) }
        try running.waitForScans(80)
        try running.wait("all acknowledged") { try running.queued() == 0 }
        #expect(running.metrics.render().contains("tapline_ingest_redeliveries_total 0\n"))
        try running.fixture.checkBooks()
    }

    @Test func aQueueWithOtherArgumentsIsToldAndTriedAgain() throws {
        let vhost = try TestVhost()
        let foreign = try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test")
        try foreign.declareQueue("tapline.scans.2")
        let running = try Running(vhost: vhost)
        try running.wait("a clear problem") {
            running.ingest.health.problems.contains { $0.name == "broker" && $0.problem.contains("tapline.scans.2") }
        }
        try foreign.deleteQueue("tapline.scans.2")
        try running.waitUntilReady()
    }

    @Test func shardsGrowAndNeverShrink() throws {
        let (fixture, vhost) = (try IngestFixture(), try TestVhost())
        let first = try Running(fixture: fixture, vhost: vhost, shards: 2)
        try first.waitUntilReady()
        #expect(try first.end() == nil)
        let second = try Running(fixture: fixture, vhost: vhost, shards: 3)
        try second.waitUntilReady()
        #expect(try second.end() == nil)
        let third = try Running(fixture: fixture, vhost: vhost, shards: 2)
        let error = try #require(try third.waitForEnd() as? ProgramError)
        #expect(error.code == .configuration)
        let fourth = try Running(fixture: fixture, vhost: vhost)
        try fourth.waitUntilReady()
        #expect(try fixture.int("SELECT shards FROM tapline_internal.topology") == 3)
    }

    @Test func gaveBackWhatItHeldWhenTheDatabaseStaysAway() throws {
        let running = try Running(databaseAwayLimitMs: 1_000)
        try running.waitUntilReady()
        let admin = try PostgresConnection(url: try TestServers.databaseURL(), applicationName: "tapline-test")
        let name = admin.identifier(running.fixture.database.name)
        try admin.execute("ALTER DATABASE \(name) ALLOW_CONNECTIONS false")
        _ = try running.fixture.connection.query(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'tapline-center ingest'
            """)
        let publisher = try running.publisher()
        let journal = journal("s-1", count: 50)
        try publish(journal.batch(1, 50), publisher)
        try running.wait("deliveries given back") {
            running.ingest.health.problems.contains { $0.name == "broker" && $0.problem.contains("database") }
        }
        try admin.execute("ALTER DATABASE \(name) ALLOW_CONNECTIONS true")
        try running.waitForScans(50)
        try running.waitUntilReady()
        try running.wait("all acknowledged") { try running.queued() == 0 }
        #expect(try running.fixture.int("SELECT sum(duplicates) FROM tapline.journals") == 0)
    }

    @Test func aGracefulStopStoresNothingTwice() throws {
        let (fixture, vhost) = (try IngestFixture(), try TestVhost())
        let journals = ["s-1", "s-2", "s-3", "s-4"].map { journal($0, count: 2_000) }
        var running = try Running(fixture: fixture, vhost: vhost)
        try running.waitUntilReady()
        let publisher = try running.publisher()
        for first in stride(from: 1, through: 1_981, by: 20) {
            for journal in journals { try publish(journal.batch(first, 20), publisher) }
            guard first % 400 == 1 else { continue }
            try running.wait("some scans") { try fixture.int("SELECT count(*) FROM tapline.scans") > first }
            #expect(try running.end() == nil)
            running = try Running(fixture: fixture, vhost: vhost)
        }
        try running.waitForScans(8_000)
        try running.wait("all acknowledged") { try running.queued() == 0 }
        #expect(try fixture.int("SELECT sum(duplicates) FROM tapline.journals") == 0)
        try fixture.checkBooks()
        try fixture.checkPresence()
    }

    @Test func aSecondCenterTakesOver() throws {
        let (fixture, vhost) = (try IngestFixture(), try TestVhost())
        let first = try Running(fixture: fixture, vhost: vhost)
        try first.waitUntilReady()
        let second = try Running(fixture: fixture, vhost: vhost)
        try second.waitUntilReady()
        let publisher = try first.publisher()
        let journals = ["s-1", "s-2", "s-3", "s-4"].map { journal($0, count: 200) }
        for journal in journals { try publish(journal.batch(1, 100), publisher) }
        try first.waitForScans(400)
        #expect(try first.end() == nil)
        for journal in journals { try publish(journal.batch(51, 150), publisher) }
        try second.waitForScans(800)
        try fixture.checkBooks()
        try fixture.checkPresence()
    }

    /// Unbinding and binding again would move most scanners to other queues.
    @Test func aRestartMovesNoScannerToAnotherQueue() throws {
        let (fixture, vhost) = (try IngestFixture(), try TestVhost())
        func spread() throws -> [Int] {
            let running = try Running(fixture: fixture, vhost: vhost)
            try running.waitUntilReady()
            #expect(try running.end() == nil)
            let publisher = try running.publisher()
            try publisher.confirmSelect()
            var last: UInt64 = 0
            for key in 0..<64 {
                last = try publisher.publish(
                    exchange: "tapline.scans", routingKey: "scan.key-\(key)", mandatory: true,
                    properties: AMQPProperties(), body: [0])
            }
            var confirmed: UInt64 = 0
            _ = try publisher.events { events in
                for case .confirmed(let tag, let multiple) in events where multiple || tag == last {
                    confirmed = max(confirmed, tag)
                }
                return confirmed == last
            }
            // A confirm of the last may come before the others.
            var counts: [Int] = []
            try running.wait("64 messages") {
                counts = try (0..<4).map {
                    try publisher.declareQueue("tapline.scans.\($0)", passive: true).messages
                }
                return counts.reduce(0, +) == 64
            }
            for shard in 0..<4 { try running.broker("purge_queue", "-p", vhost.name, "tapline.scans.\(shard)") }
            return counts
        }
        let before = try spread()
        #expect(before.filter { $0 > 0 }.count > 1)
        #expect(try spread() == before)
    }

    /// One of them may be what ended the consumer before: it must not take its neighbours with it for ever.
    @Test func whatCameBackOftenIsStoredAlone() throws {
        let (fixture, vhost) = (try IngestFixture(), try TestVhost())
        let first = try Running(fixture: fixture, vhost: vhost)
        try first.waitUntilReady()
        #expect(try first.end() == nil)
        let publisher = try first.publisher()
        let journal = journal("s-1", count: 50)
        for start in stride(from: 1, through: 41, by: 10) { try publish(journal.batch(start, 10), publisher) }
        for round in 0..<4 {
            let crashing = try first.publisher()
            for shard in 0..<4 {
                try crashing.consume("tapline.scans.\(shard)", consumerTag: "crash-\(round)-\(shard)")
            }
            var count = 0
            _ = try crashing.events { events in
                count = events.count { if case .delivery = $0 { true } else { false } }
                return count == 5
            }
        }
        let second = try Running(fixture: fixture, vhost: vhost)
        try second.waitForScans(50)
        try second.wait("all acknowledged") { try second.queued() == 0 }
        #expect(second.metrics.render().contains("tapline_ingest_group_scans_bucket{le=\"10.0\"} 5\n"))
        #expect(second.metrics.render().contains("tapline_ingest_redeliveries_total 5\n"))
    }

    /// What cannot be quarantined either goes to the dead-letter queue, and the line goes on.
    @Test func whatNotEvenTheQuarantineTakesIsDeadLettered() throws {
        let running = try Running()
        try running.fixture.connection.execute(
            "ALTER TABLE tapline.quarantine ADD CONSTRAINT test CHECK (octet_length(body) > 6)")
        try running.waitUntilReady()
        let publisher = try running.publisher()
        try publish(Array("poison".utf8), "scan.s-1", publisher)
        try publish(journal("s-1", count: 10).batch(1, 10), publisher)
        try running.waitForScans(10)
        try running.wait("one dead letter") {
            try publisher.declareQueue("tapline.dead", passive: true).messages == 1
        }
    }
}

extension String {
    fileprivate var trimmingSpaces: String { filter { $0 != " " && $0 != "\t" && $0 != "\r" } }
}
