import AMQP
import Ingest
import Postgres
import Runtime
import TestSupport
import Testing

/// Tests the delivery limit of the queues, and the way from queues without it.
struct TopologyUpgradeTests {
    private let fixture: IngestFixture
    private let vhost: TestVhost
    /// The arguments of a shard queue before the delivery limit.
    private static let former: [String: AMQPValue] = [
        "x-queue-type": "quorum", "x-single-active-consumer": true, "x-overflow": "reject-publish",
        "x-max-length-bytes": .int(8 << 30), "x-dead-letter-exchange": "tapline.dead",
        "x-dead-letter-strategy": "at-least-once",
    ]
    private static let limit: [String: AMQPValue] = ["x-delivery-limit": .int(2_000_000_000)]
    private static let quorum: [String: AMQPValue] = ["x-queue-type": "quorum"]
    private static let canary: [String: AMQPValue] = ["x-queue-type": "quorum", "x-overflow": "reject-publish"]

    init() throws {
        (fixture, vhost) = (try IngestFixture(), try TestVhost())
    }

    private func connect() throws -> AMQPConnection {
        try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test")
    }

    /// Declares the queues as an earlier version did, with the bindings.
    private func declareFormerTopology() throws {
        let connection = try connect()
        try connection.declareExchange("tapline.dead", type: "fanout")
        try connection.declareQueue("tapline.dead", arguments: Self.quorum)
        try connection.bindQueue("tapline.dead", exchange: "tapline.dead", routingKey: "")
        try connection.declareExchange("tapline.canary", type: "fanout")
        try connection.declareQueue("tapline.canary", arguments: Self.canary)
        try connection.bindQueue("tapline.canary", exchange: "tapline.canary", routingKey: "")
        try connection.declareExchange("tapline.scans", type: "topic")
        try connection.declareExchange("tapline.shards", type: "x-consistent-hash", internal: true)
        for shard in 0..<4 {
            try connection.declareQueue("tapline.scans.\(shard)", arguments: Self.former)
            try connection.bindQueue("tapline.scans.\(shard)", exchange: "tapline.shards", routingKey: "1")
        }
        try connection.bindExchange(destination: "tapline.shards", source: "tapline.scans", routingKey: "scan.#")
        connection.close()
    }

    private var upgrade: TopologyUpgrade {
        get throws {
            TopologyUpgrade(brokers: [try AMQPAddress(url: vhost.url)], databaseURL: fixture.database.url)
        }
    }

    private func watch() throws -> BrokerWatch {
        var settings = IngestSettings(brokers: [try AMQPAddress(url: vhost.url)], databaseURL: fixture.database.url)
        settings.managementPort = try Int(FaultProxy.freePort())
        return BrokerWatch(settings, metrics: Metrics())
    }

    /// Whether a shard queue has the arguments of the contract. The broker refuses a declaration with others.
    private func isCurrent(
        _ queue: String, _ arguments: [String: AMQPValue] = TopologyUpgradeTests.former
    ) throws -> Bool {
        let connection = try connect()
        do {
            try connection.declareQueue(queue, arguments: arguments.merging(Self.limit) { old, _ in old })
            return true
        } catch {
            guard error.replyCode == 406 else { throw error }
            return false
        }
    }

    @Test func everyQueueHasADeliveryLimit() throws {
        #expect(try watch().check() == [])
        for shard in 0..<4 { #expect(try isCurrent("tapline.scans.\(shard)")) }
        #expect(try isCurrent("tapline.dead", Self.quorum))
        #expect(try isCurrent("tapline.canary", Self.canary))
        #expect(try upgrade.run(waitMs: 0, StopSignal()) == [])
    }

    /// Scans in a queue of an earlier version are stored, and a warning names the remedy.
    @Test func queueWithoutALimitWorksAndIsReported() throws {
        try declareFormerTopology()
        let journal = MadeJournal.admissions("s-1", count: 10)
        let publisher = try connect()
        try publisher.publish(journal.batch(1, 10))
        let center = try RunningIngest(fixture: fixture, vhost: vhost)
        try center.waitForScans(10)
        #expect(try center.end() == nil)
        let warnings = try watch().check()
        #expect(
            warnings.map(\.queue) == ["tapline.dead"] + (0..<4).map { "tapline.scans.\($0)" }, "the canary is replaced")
        #expect(warnings.allSatisfy { $0.text.contains("tapline-center topology upgrade") })
        let status = try Run.it("tapline-center", ["status", "--all", "--database-url", fixture.database.url])
        #expect(status.lines.contains { $0.hasPrefix("alarm") && $0.contains("topology upgrade") }, "\(status.lines)")
    }

    @Test func upgradeReplacesEmptyQueuesAndRestoresBindings() throws {
        try declareFormerTopology()
        let program = try Run.it(
            "tapline-center",
            ["topology", "upgrade", "--amqp-url", vhost.url, "--database-url", fixture.database.url])
        #expect(program.lines.first?.hasPrefix("replaced: tapline.dead, tapline.scans.0,") == true, "\(program)")
        for shard in 0..<4 { #expect(try isCurrent("tapline.scans.\(shard)")) }
        #expect(try isCurrent("tapline.dead", Self.quorum))
        #expect(try upgrade.run(waitMs: 0, StopSignal()) == [], "a repetition has nothing to do")
        // Scans flow without a center that declares the bindings.
        let publisher = try connect()
        let journals = (1...8).map { MadeJournal.admissions("s-\($0)", count: 5) }
        for journal in journals { try publisher.publish(journal.batch(1, 5)) }
        try eventually("the batches are in the queues") {
            try (0..<4).reduce(0) { $0 + (try publisher.inspectQueue("tapline.scans.\($1)").messages) } == 8
        }
    }

    @Test func upgradeRefusesQueuesThatHoldScans() throws {
        try declareFormerTopology()
        let publisher = try connect()
        try publisher.confirmSelect()
        let journal = MadeJournal.admissions("s-1", count: 10)
        try publisher.publish(journal.batch(1, 5))
        _ = try publisher.events { $0.confirmedUpTo == 1 }
        let full = try #require(
            try (0..<4).map { "tapline.scans.\($0)" }.first { try publisher.inspectQueue($0).messages == 1 })
        let error = try #require(throws: IngestError.self) { try upgrade.run(waitMs: 0, StopSignal()) }
        #expect("\(error)".contains("\(full) holds 1 messages"), "\(error)")
        #expect(try publisher.inspectQueue(full).messages == 1)
        // The binding is restored: the next batch is not returned.
        try publisher.publish(journal.batch(6, 5))
        let events = try publisher.events { $0.confirmedUpTo == 2 }
        #expect(!events.contains { if case .returned = $0 { true } else { false } })
        // The center stores what is in the queue, and the upgrade completes.
        let center = try RunningIngest(fixture: fixture, vhost: vhost)
        try center.waitForScans(10)
        try center.waitUntilAcknowledged()
        #expect(try center.end() == nil)
        #expect(try upgrade.run(waitMs: waitLimitMs, StopSignal()) == [full])
        #expect(try isCurrent(full))
    }

    @Test func upgradeRefusesWhileACenterConsumes() throws {
        try declareFormerTopology()
        let center = try RunningIngest(fixture: fixture, vhost: vhost)
        try center.waitUntilReady()
        let error = try #require(throws: IngestError.self) { try upgrade.run(waitMs: 0, StopSignal()) }
        #expect("\(error)".contains("stop every center"), "\(error)")
        #expect(try !isCurrent("tapline.scans.0"))
        #expect(try center.end() == nil)
    }

    /// A center that is recorded as running may consume again at any moment.
    @Test func upgradeRefusesWhileACenterIsRecorded() throws {
        try declareFormerTopology()
        try fixture.connection.execute(
            "INSERT INTO tapline_internal.centers (name, alive_at) VALUES ('1/1', now() + interval '1 hour')")
        #expect(throws: IngestError.self) { try upgrade.run(waitMs: 0, StopSignal()) }
        #expect(try !isCurrent("tapline.scans.0"))
        try fixture.connection.execute("UPDATE tapline_internal.centers SET stopped = true")
        #expect(try upgrade.run(waitMs: 0, StopSignal()).count == 5)
    }

    /// Each point at which the upgrade can be killed: without the entry binding, and with a queue deleted.
    @Test func interruptedUpgradeIsCompletedByARepetition() throws {
        try declareFormerTopology()
        let connection = try connect()
        try connection.unbindExchange(destination: "tapline.shards", source: "tapline.scans", routingKey: "scan.#")
        try connection.unbindQueue("tapline.dead", exchange: "tapline.dead", routingKey: "")
        try connection.deleteQueue("tapline.scans.1")
        #expect(try upgrade.run(waitMs: 0, StopSignal()).count == 4)
        for shard in 0..<4 { #expect(try isCurrent("tapline.scans.\(shard)")) }
        try connection.confirmSelect()
        try connection.publish(MadeJournal.admissions("s-1", count: 5).batch(1, 5))
        let events = try connection.events { $0.confirmedUpTo == 1 }
        #expect(!events.contains { if case .returned = $0 { true } else { false } })
    }

    @Test func deadLettersDoNotHinderTheShards() throws {
        try declareFormerTopology()
        let connection = try connect()
        try connection.confirmSelect()
        try connection.publish(exchange: "tapline.dead", routingKey: "", properties: AMQPProperties(), body: [1])
        _ = try connection.events { $0.confirmedUpTo == 1 }
        let error = try #require(throws: IngestError.self) { try upgrade.run(waitMs: 0, StopSignal()) }
        #expect("\(error)".contains("tapline.dead holds 1 messages"), "\(error)")
        for shard in 0..<4 { #expect(try isCurrent("tapline.scans.\(shard)")) }
        #expect(try connection.inspectQueue("tapline.dead").messages == 1)
    }

    /// A stop during the wait leaves the topology as it was.
    @Test func stoppedUpgradeRestoresTheBindings() throws {
        try declareFormerTopology()
        let center = try RunningIngest(fixture: fixture, vhost: vhost)
        try center.waitUntilReady()
        let stop = StopSignal()
        stop.stop()
        #expect(throws: IngestError.self) { try upgrade.run(waitMs: waitLimitMs, stop) }
        let publisher = try center.publisher()
        try publisher.publish(MadeJournal.admissions("s-1", count: 5).batch(1, 5))
        try center.waitForScans(5)
        #expect(try center.end() == nil)
    }
}
