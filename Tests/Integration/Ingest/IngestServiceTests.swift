import AMQP
import Ingest
import Postgres
import Runtime
import TestSupport
import Testing

/// Tests the running ingestion with a real broker and a real database.
@Suite(.serialized) struct IngestServiceTests {
    @Test func storesAcknowledgesAndQuarantines() throws {
        let running = try RunningIngest()
        try running.waitUntilReady()
        let publisher = try running.publisher()
        let journals = ["s-1", "s-2", "s-3", "s-4"].map { MadeJournal.admissions($0, count: 200) }
        for journal in journals {
            for first in stride(from: 181, through: 1, by: -20) { try publisher.publish(journal.batch(first, 20)) }
            try publisher.publish(journal.batch(1, 200))
            try publisher.publish(Array("poison".utf8), scanner: journal.scanner)
        }
        try running.waitForScans(800)
        try running.wait("all counted") {
            try running.fixture.int("SELECT sum(received) FROM tapline.journals") == 1_600
        }
        try running.waitUntilAcknowledged()
        #expect(try running.fixture.int("SELECT count(*) FROM tapline.quarantine WHERE reason = 'malformed'") == 4)
        try running.fixture.checkBooks()
        try running.fixture.checkPresence()
        let text = running.metrics.render()
        #expect(text.contains("tapline_ingest_scans_stored_total 800\n"))
        #expect(text.contains("tapline_ingest_quarantined_total{reason=\"malformed\"} 4\n"))
        #expect(try running.end() == nil)
        #expect(running.ingest.health.problems.count == 2)
    }

    @Test func gracefulStopStoresNothingTwice() throws {
        let (fixture, vhost) = (try IngestFixture(), try TestVhost())
        let journals = ["s-1", "s-2", "s-3", "s-4"].map { MadeJournal.admissions($0, count: 2_000) }
        var running = try RunningIngest(fixture: fixture, vhost: vhost)
        try running.waitUntilReady()
        let publisher = try running.publisher()
        for first in stride(from: 1, through: 1_981, by: 20) {
            for journal in journals { try publisher.publish(journal.batch(first, 20)) }
            guard first % 400 == 1 else { continue }
            try running.wait("some scans") { try fixture.int("SELECT count(*) FROM tapline.scans") > first }
            #expect(try running.end() == nil)
            running = try RunningIngest(fixture: fixture, vhost: vhost)
        }
        try running.waitForScans(8_000)
        try running.waitUntilAcknowledged()
        #expect(try fixture.int("SELECT sum(duplicates) FROM tapline.journals") == 0)
        try fixture.checkBooks()
        try fixture.checkPresence()
    }

    @Test func secondCenterTakesOver() throws {
        let (fixture, vhost) = (try IngestFixture(), try TestVhost())
        let first = try RunningIngest(fixture: fixture, vhost: vhost)
        try first.waitUntilReady()
        let second = try RunningIngest(fixture: fixture, vhost: vhost)
        try second.waitUntilReady()
        let publisher = try first.publisher()
        let journals = ["s-1", "s-2", "s-3", "s-4"].map { MadeJournal.admissions($0, count: 200) }
        for journal in journals { try publisher.publish(journal.batch(1, 100)) }
        try first.waitForScans(400)
        #expect(try first.end() == nil)
        for journal in journals { try publisher.publish(journal.batch(51, 150)) }
        try second.waitForScans(800)
        try fixture.checkBooks()
        try fixture.checkPresence()
    }

    @Test func shardsGrowAndNeverShrink() throws {
        let (fixture, vhost) = (try IngestFixture(), try TestVhost())
        let first = try RunningIngest(fixture: fixture, vhost: vhost, shards: 2)
        try first.waitUntilReady()
        #expect(try first.end() == nil)
        let second = try RunningIngest(fixture: fixture, vhost: vhost, shards: 3)
        try second.waitUntilReady()
        #expect(try second.end() == nil)
        let third = try RunningIngest(fixture: fixture, vhost: vhost, shards: 2)
        let error = try #require(try third.waitForEnd() as? IngestError)
        guard case .shardReduction(from: 3, to: 2) = error else { throw TestFailure("\(error)") }
        let fourth = try RunningIngest(fixture: fixture, vhost: vhost)
        try fourth.waitUntilReady()
        #expect(try fixture.int("SELECT shards FROM tapline_internal.topology") == 3)
    }

    /// New bindings would move most scanners to other queues.
    @Test func restartMovesNoScannerToAnotherQueue() throws {
        let (fixture, vhost) = (try IngestFixture(), try TestVhost())
        func spread() throws -> [Int] {
            let running = try RunningIngest(fixture: fixture, vhost: vhost)
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
            // The confirm of the last message may arrive before the others.
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

    /// One of them may have crashed the previous consumer. It must not block the others.
    @Test func oftenRedeliveredBatchesAreStoredAlone() throws {
        let (fixture, vhost) = (try IngestFixture(), try TestVhost())
        let first = try RunningIngest(fixture: fixture, vhost: vhost)
        try first.waitUntilReady()
        #expect(try first.end() == nil)
        let publisher = try first.publisher()
        let journal = MadeJournal.admissions(count: 50)
        for start in stride(from: 1, through: 41, by: 10) { try publisher.publish(journal.batch(start, 10)) }
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
        let second = try RunningIngest(fixture: fixture, vhost: vhost)
        try second.waitForScans(50)
        try second.waitUntilAcknowledged()
        #expect(second.metrics.render().contains("tapline_ingest_group_scans_bucket{le=\"10.0\"} 5\n"))
        #expect(second.metrics.render().contains("tapline_ingest_redeliveries_total 5\n"))
    }

    @Test func unstorableDeliveryIsDeadLettered() throws {
        let running = try RunningIngest()
        try running.fixture.connection.execute(
            "ALTER TABLE tapline.quarantine ADD CONSTRAINT test CHECK (octet_length(body) > 6)")
        try running.waitUntilReady()
        let publisher = try running.publisher()
        try publisher.publish(Array("poison".utf8), scanner: "s-1")
        try publisher.publish(MadeJournal.admissions(count: 10).batch(1, 10))
        try running.waitForScans(10)
        try running.wait("one dead letter") {
            try publisher.declareQueue("tapline.dead", passive: true).messages == 1
        }
    }
}
