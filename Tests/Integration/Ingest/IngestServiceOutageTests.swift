import AMQP
import Ingest
import Postgres
import Runtime
import TestSupport
import Testing

/// Tests the running ingestion while the broker or the database fails.
@Suite(.serialized) struct IngestServiceOutageTests {
    @Test func lostConnectionsAreMadeAgain() throws {
        let running = try RunningIngest()
        try running.waitUntilReady()
        let journal = MadeJournal.admissions(count: 600)
        for round in 0..<6 {
            let publisher = try running.publisher()
            for first in stride(from: round * 100 + 1, through: round * 100 + 91, by: 10) {
                try publisher.publish(journal.batch(first, 10))
            }
            // An unconfirmed batch may be lost with its connection, and could then not be stored.
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
        try running.waitUntilAcknowledged()
        try running.fixture.checkBooks()
        #expect(try running.fixture.int("SELECT count(*) FROM tapline.quarantine") == 0)
    }

    @Test func deletedQueueIsDeclaredAgain() throws {
        let running = try RunningIngest()
        try running.waitUntilReady()
        let publisher = try running.publisher()
        for shard in 0..<4 { try publisher.deleteQueue("tapline.scans.\(shard)") }
        let journal = MadeJournal.admissions(count: 10)
        try running.wait("a stored scan") {
            try publisher.publish(journal.batch(1, 10))
            return try running.fixture.int("SELECT count(*) FROM tapline.scans") == 10
        }
        try running.waitUntilReady()
    }

    /// The broker loses the consumers without a notification: the connection is open, and no delivery arrives.
    @Test func stalledQueueIsDetected() throws {
        let running = try RunningIngest(queueCheckMs: 400)
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
        let journals = ["s-1", "s-2", "s-3", "s-4"].map { MadeJournal.admissions($0, count: 20) }
        for journal in journals { try publisher.publish(journal.batch(1, 20)) }
        try running.waitForScans(80)
        try running.waitUntilAcknowledged()
        #expect(running.metrics.render().contains("tapline_ingest_redeliveries_total 0\n"))
        try running.fixture.checkBooks()
    }

    @Test func queueWithOtherArgumentsIsReportedAndRetried() throws {
        let vhost = try TestVhost()
        let foreign = try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test")
        try foreign.declareQueue("tapline.scans.2")
        let running = try RunningIngest(vhost: vhost)
        try running.wait("a clear problem") {
            running.ingest.health.problems.contains { $0.name == "broker" && $0.problem.contains("tapline.scans.2") }
        }
        try foreign.deleteQueue("tapline.scans.2")
        try running.waitUntilReady()
    }

    @Test func deliveriesAreRequeuedIfTheDatabaseStaysAway() throws {
        let running = try RunningIngest(databaseAwayLimitMs: 1_000)
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
        let journal = MadeJournal.admissions(count: 50)
        try publisher.publish(journal.batch(1, 50))
        try running.wait("deliveries requeued") {
            running.ingest.health.problems.contains { $0.name == "broker" && $0.problem.contains("database") }
        }
        try admin.execute("ALTER DATABASE \(name) ALLOW_CONNECTIONS true")
        try running.waitForScans(50)
        try running.waitUntilReady()
        try running.waitUntilAcknowledged()
        #expect(try running.fixture.int("SELECT sum(duplicates) FROM tapline.journals") == 0)
    }

    /// 150 bodies of a megabyte wait, and the database stores nothing. A worker holds 64 MiB, and a poll of 16 MiB more.
    @Test func fullWindowReadsNoMoreAndIsRequeued() throws {
        let running = try RunningIngest()
        try running.waitUntilReady()
        let blocker = try running.fixture.database.connect()
        try blocker.execute("BEGIN; LOCK TABLE tapline.quarantine IN ACCESS EXCLUSIVE MODE")
        let publisher = try running.publisher()
        for number in 0..<150 {
            let body = [UInt8](repeating: UInt8(number), count: 1_000_000)
            try running.wait("room for a body") { publisher.hasRoom(forBytes: 64) }
            try publisher.publish(body, scanner: "s-1")
            _ = try publisher.poll()
        }
        var held = 0
        try running.wait("deliveries requeued") {
            held = max(held, running.metrics.value("tapline_ingest_unacknowledged_deliveries"))
            return running.ingest.health.problems.contains { $0.problem.contains("stores nothing") }
        }
        #expect((60...90).contains(held), "\(held) deliveries in hand")
        try blocker.execute("ROLLBACK")
        try running.wait("all bodies are in quarantine") {
            try running.fixture.int("SELECT count(*) FROM tapline.quarantine") == 150
        }
        try running.waitUntilReady()
        try running.waitUntilAcknowledged()
    }
}
