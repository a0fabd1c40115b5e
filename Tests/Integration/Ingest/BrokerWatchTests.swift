import AMQP
import FileSystem
import HTTPServer
import Ingest
import Postgres
import Runtime
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing

/// Tests that scans which the broker removes after their confirm are noticed.
struct BrokerWatchTests {
    private let fixture: IngestFixture
    private let vhost: TestVhost
    private let metrics = Metrics()

    init() throws {
        (fixture, vhost) = (try IngestFixture(), try TestVhost())
    }

    private func watch(managementPort: UInt16? = nil) throws -> BrokerWatch {
        var settings = IngestSettings(
            brokers: [try AMQPAddress(url: vhost.url)], databaseURL: fixture.database.url, shards: 2)
        settings.managementPort = try Int(managementPort ?? FaultProxy.freePort())
        return BrokerWatch(settings, metrics: metrics)
    }

    /// Sets an operator's policy, as for all queues of a company.
    private func setPolicy(_ pattern: String, _ definition: String) throws {
        try TestServers.command("rabbitmqctl", "-q", "set_policy", "-p", vhost.name, "company", pattern, definition)
    }

    private func messages(_ queue: String) throws -> Int {
        try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test").declareQueue(queue, passive: true).messages
    }

    private func heartbeat(_ journal: MadeJournal, next: Int64) throws -> ScanBatch {
        ScanBatch(
            heartbeatOf: try #require(ScannerID(journal.scanner)), journalID: journal.journalID, next: next, gate: nil,
            snapshot: 7, sentMicros: IngestFixture.day, backlog: 0)
    }

    @Test func brokerThatKeepsMessagesGivesNoWarning() throws {
        for _ in 1...2 { #expect(try watch().check() == []) }
        #expect(try messages("tapline.canary") == 1)
        #expect(try fixture.int("SELECT count(*) FROM tapline.broker_warnings") == 0)
        let status = try Run.it("tapline-center", ["status", "--all", "--database-url", fixture.database.url])
        #expect(status.lines.contains { $0.hasPrefix("broker warnings") && $0.hasSuffix("none") }, "\(status.lines)")
    }

    @Test func crashWhileTheCanaryIsReplacedIsNoLoss() throws {
        #expect(try watch().check() == [])
        // The crash comes before the new canary is published and recorded.
        try fixture.connection.execute(
            "ALTER TABLE tapline_internal.broker_check ADD CONSTRAINT crash CHECK (canary_placed_at IS NULL) NOT VALID")
        #expect(throws: PostgresError.self) { try watch().check(isFirst: true) }
        try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test").deleteQueue("tapline.canary")
        try fixture.connection.execute("ALTER TABLE tapline_internal.broker_check DROP CONSTRAINT crash")
        #expect(try watch().check(isFirst: true) == [])
        #expect(try messages("tapline.canary") == 1)
    }

    @Test func centerThatDoesNotCheckTheBrokerIsAnAlarm() throws {
        try fixture.connection.execute(
            """
            INSERT INTO tapline_internal.centers (name, alive_at, listened_at, listening_since)
            VALUES ('0/1', now() + interval '1 hour', now() + interval '1 hour', now() - interval '16 minutes')
            """)
        func isAlarm() throws -> Bool {
            try Run.it("tapline-center", ["status", "--all", "--database-url", fixture.database.url]).lines.contains {
                $0.hasPrefix("alarm") && $0.contains("broker was not checked")
            }
        }
        #expect(try isAlarm())
        try watch().check()
        #expect(try !isAlarm())
        try fixture.connection.execute(
            "UPDATE tapline_internal.broker_check SET checked_at = now() - interval '121 minutes'")
        #expect(try isAlarm())
    }

    /// A canary queue with other arguments makes every check fail with one error.
    @Test func repeatedErrorOfTheCheckIsWarnedOnce() throws {
        _ = try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test").declareQueue("tapline.canary")
        let folder = TemporaryFolder("watch")
        let center = try ChildProcess(
            Package.program("tapline-center"),
            [
                "run", "--amqp-url", vhost.url, "--database-url", fixture.database.url, "--http", "127.0.0.1:0",
            ], environment: ["TAPLINE_LOG_LEVEL": "debug"], output: .null, errors: folder.file("log"))
        defer { center.kill() }
        func levels() throws -> [String] {
            try Files.readText(folder.file("log")).split(separator: "\n").filter {
                $0.contains("broker not checked, will retry")
            }.map { $0.contains(#""level":"warning""#) ? "warning" : "debug" }
        }
        try eventually("the check has failed three times") { try levels().count >= 3 }
        #expect(try levels().prefix(3) == ["warning", "debug", "debug"])
    }

    @Test func policyWithATimeLimitIsReported() throws {
        #expect(try watch().check() == [])
        try setPolicy(".*", #"{"message-ttl":1}"#)
        #expect(try watch().check(isFirst: true) == [], "a center that starts under the policy")
        try eventually("the message expires") { try messages("tapline.canary") == 0 }
        let warnings = try watch().check()
        #expect(warnings.map(\.queue) == ["tapline.canary"])
        #expect(warnings.first?.text.contains("message-ttl") == true)
        #expect(try fixture.texts("SELECT queue FROM tapline.broker_warnings") == ["tapline.canary"])
        #expect(metrics.render().contains("tapline_broker_warnings 1\n"))
        let status = try Run.it("tapline-center", ["status", "--all", "--database-url", fixture.database.url])
        #expect(status.lines.contains { $0.contains("tapline.canary the test message was removed") }, "\(status.lines)")
    }

    /// The response of RabbitMQ 3.10, without the statistics.
    @Test func policyThatTheManagementAPITellsIsReportedAtOnce() throws {
        let json = """
            {"arguments":{"x-queue-type":"quorum"},"operator_policy":null,"policy":"company",
            "effective_policy_definition":{"message-ttl":60000,"overflow":"drop-head"}}
            """
        let server = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { request in
            request.path.hasSuffix("/tapline.scans.1") ? .text(json) : .text("{}")
        }
        defer { server.stop() }
        let warnings = try watch(managementPort: server.port).check()
        #expect(warnings.map(\.queue) == ["tapline.scans.1", "tapline.scans.1"])
        #expect(warnings.first?.text == "policy company: message-ttl 60000 ms removes scans that wait longer")
        #expect(try fixture.int("SELECT count(*) FROM tapline.broker_warnings") == 2)
        // A denied or missing API is no error.
        let denying = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { _ in .text("no", status: 401) }
        defer { denying.stop() }
        #expect(try watch(managementPort: denying.port).check() == [])
        #expect(try watch().check() == [])
    }

    /// No center runs while a policy removes confirmed scans, and the device never taps again.
    @Test func scansRemovedByAPolicyAreATailOfTheirJournal() throws {
        #expect(try watch().check() == [])
        try setPolicy("^tapline.scans", #"{"message-ttl":1}"#)
        let journal = MadeJournal.admissions("s-1", count: 10)
        let publisher = try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test publisher")
        try publisher.confirmSelect()
        try publisher.publish(journal.batch(1, 10))
        try eventually("the batch is dead-lettered") { try messages("tapline.dead") == 1 }
        let warnings = try watch().check()
        #expect(warnings.first?.queue == "tapline.dead")
        #expect(warnings.first?.text.contains("holds 1 messages") == true)
        try TestServers.command("rabbitmqctl", "-q", "clear_policy", "-p", vhost.name, "company")
        let center = try RunningIngest(fixture: fixture, vhost: vhost)
        try publisher.publish(try heartbeat(journal, next: 11))
        try center.wait("the tail is listed") {
            try fixture.texts("SELECT concat_ws(' ', kind, first_seq, last_seq) FROM tapline.seq_gaps") == ["tail 1 10"]
        }
        #expect(try fixture.int("SELECT gaps FROM tapline.scanner_health WHERE scanner_id = 's-1'") == 10)
        // The scans arrive again, and the tail ends.
        try publisher.publish(journal.batch(1, 10))
        try center.waitForScans(10)
        #expect(try fixture.int("SELECT count(*) FROM tapline.seq_gaps") == 0)
        #expect(try center.end() == nil)
    }

    @Test func heartbeatAnnouncesScansUntilTheyAreAccepted() throws {
        let store = try fixture.store()
        let journal = MadeJournal.admissions("s-1", count: 12)
        let gaps = "SELECT concat_ws(' ', kind, first_seq, last_seq) FROM tapline.seq_gaps"
        _ = try store.store([journal.batch(1, 5).delivery(), try heartbeat(journal, next: 6).delivery()])
        #expect(try fixture.texts(gaps) == [])
        _ = try store.store([try heartbeat(journal, next: 11).delivery()])
        #expect(try fixture.texts(gaps) == ["tail 6 10"])
        #expect(try fixture.int("SELECT tapline.accept_gap(id, 6, 10) FROM tapline.journals") == 1)
        #expect(try fixture.texts(gaps) == [])
        // A heartbeat that overtakes its batch within a group, or between groups.
        _ = try store.store([try heartbeat(journal, next: 13).delivery(), journal.batch(11, 2).delivery()])
        #expect(try fixture.texts(gaps) == ["gap 6 10"])
        _ = try store.store([journal.batch(6, 5).delivery()])
        #expect(try fixture.texts(gaps) == [])
        try fixture.checkBooks()
    }
}
