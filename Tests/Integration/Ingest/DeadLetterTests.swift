import AMQP
import FileSystem
import Ingest
import Postgres
import Runtime
import ScanBatchCodec
import TestSupport
import Testing

/// The messages of `tapline.dead`: read, replayed and dropped, with the real broker.
struct DeadLetterTests {
    private let fixture: IngestFixture
    private let vhost: TestVhost
    private let metrics = Metrics()

    init() throws {
        (fixture, vhost) = (try IngestFixture(), try TestVhost())
    }

    private var settings: IngestSettings {
        get throws {
            IngestSettings(brokers: [try AMQPAddress(url: vhost.url)], databaseURL: fixture.database.url, shards: 2)
        }
    }

    private func connection() throws -> AMQPConnection {
        try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test")
    }

    private func messages() throws -> Int { try connection().inspectQueue("tapline.dead").messages }

    /// Declares the topology and lets the broker remove batches from their queues.
    private func killBatches(_ batches: [ScanBatch]) throws {
        _ = try BrokerWatch(settings, metrics: Metrics()).check()
        try TestServers.command(
            "rabbitmqctl", "-q", "set_policy", "-p", vhost.name, "company", "^tapline.scans", #"{"message-ttl":1}"#)
        let publisher = try connection()
        try publisher.confirmSelect()
        for batch in batches { try publisher.publish(batch) }
        try eventually("the batches are dead-lettered") { try messages() == batches.count }
        try TestServers.command("rabbitmqctl", "-q", "clear_policy", "-p", vhost.name, "company")
    }

    /// Publishes a message other than a batch.
    private func publishPoison() throws {
        let publisher = try connection()
        try publisher.confirmSelect()
        try publisher.publish(
            exchange: "tapline.dead", routingKey: "scan.s-1", mandatory: true, properties: AMQPProperties(),
            body: Array("poison".utf8))
        try eventually("it is in the queue") { try messages() >= 1 }
    }

    private func dead(_ words: String..., options: [String] = []) throws -> Run {
        let needsDatabase = words.first == "replay"
        return try Run.it(
            "tapline-center",
            ["dead-letters"] + words + ["--amqp-url", vhost.url] + options
                + (needsDatabase ? ["--database-url", fixture.database.url] : []))
    }

    @Test func listNamesOriginAndReasonAndTakesNothing() throws {
        #expect(try dead("list").lines == ["name  scanner  user  bytes  reason  queue  died_at"], "no topology")
        let journal = MadeJournal.admissions("s-1", count: 10)
        try killBatches([journal.batch(1, 10)])
        for _ in 1...2 {
            let run = try dead("list")
            #expect(run.end == .exit(0) && run.lines.count == 2, "\(run)")
            let cells = run.lines[1].split(separator: " ")
            #expect(cells[0].utf8.count == 12 && cells[1] == "s-1" && cells[4] == "expired", "\(run.lines)")
            #expect(cells[5].hasPrefix("tapline.scans.") && cells[6].hasPrefix("20"), "\(run.lines)")
            let shown = try dead("show", String(cells[0]))
            #expect(shown.lines.contains("routing_key: scan.s-1"), "\(shown)")
            #expect(shown.lines.contains("reason: expired") && shown.lines.last?.hasPrefix("body: ") == true)
        }
        let unknown = try dead("show", "00000000000a")
        #expect(unknown.end == .exit(1) && unknown.errors.contains("there is no dead letter 00000000000a"))
        #expect(try dead("show", "x").errors.contains("is not a name"))
        #expect(try messages() == 1)
    }

    @Test func replayStoresBatchesAndLeavesOtherMessages() throws {
        let (one, two) = (MadeJournal.admissions("s-1", count: 10), MadeJournal.admissions("s-2", count: 7))
        try killBatches([one.batch(1, 10), two.batch(1, 7)])
        try publishPoison()
        let options = ["--relay-user", try AMQPAddress(url: vhost.url).user]
        let first = try dead("replay", "--scanner", "s-2", options: options)
        #expect(first.end == .exit(0) && first.lines == ["1 stored, 0 left"], "\(first)")
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 7)
        let rest = try dead("replay", "--all", options: options)
        #expect(rest.end == .exit(1) && rest.lines.last == "1 stored, 1 left", "\(rest)")
        #expect(rest.lines.count == 2, "one line with the reason: \(rest)")
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 17)
        // Like a batch of a file: its age says nothing about the clock of the device.
        #expect(try fixture.int("SELECT count(*) FROM tapline.journals WHERE clock_skew IS NULL") == 2)
        #expect(try fixture.int("SELECT count(*) FROM tapline.quarantine") == 0)
        #expect(try messages() == 1)
        // Presence is up to date when the command ends.
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.tag_positions") > 0)
    }

    @Test func batchThatWasStoredBeforeIsNotStoredTwice() throws {
        let journal = MadeJournal.admissions("s-1", count: 10)
        try killBatches([journal.batch(1, 10), journal.batch(1, 10)])
        let run = try dead(
            "replay", "--all", options: ["--relay-user", try AMQPAddress(url: vhost.url).user])
        #expect(run.lines == ["2 stored, 0 left"], "\(run)")
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 10)
        #expect(try messages() == 0)
    }

    @Test func batchOfAnotherUserStays() throws {
        try killBatches([MadeJournal.admissions("s-1", count: 10).batch(1, 10)])
        let run = try dead("replay", "--all")
        #expect(run.end == .exit(1) && run.lines.contains { $0.contains(": identity: ") }, "\(run)")
        #expect(try messages() == 1 && fixture.int("SELECT count(*) FROM tapline.scans") == 0)
    }

    @Test func dropRemovesTheChosenMessagesOnly() throws {
        try killBatches([MadeJournal.admissions("s-1", count: 10).batch(1, 10)])
        try publishPoison()
        // The SHA-256 of "poison".
        let none = try dead("drop", "00000000000a")
        #expect(none.end == .exit(1) && none.lines == ["0 dropped"], "\(none)")
        let names = try dead("list").lines.dropFirst().map { String($0.prefix(12)) }
        let drop = try dead("drop", try #require(names.last))
        #expect(drop.end == .exit(0) && drop.lines == ["1 dropped"], "\(drop)")
        #expect(try dead("list").lines.dropFirst().map { String($0.prefix(12)) } == names.dropLast())
        #expect(try dead("drop", "--all").lines == ["1 dropped"])
        #expect(try messages() == 0)
        #expect(try dead("drop").errors.contains("exactly one of"))
    }

    @Test func depthsOfTheQueuesAreReadEveryTwoSeconds() throws {
        let depths = try QueueDepths(settings, metrics: metrics)
        #expect(depths.counts.dead == nil && !metrics.render().contains("\ntapline_broker_dead_letters "))
        let service = RunningService(depths.service())
        try killBatches([MadeJournal.admissions("s-1", count: 10).batch(1, 10)])
        let publisher = try connection()
        try publisher.confirmSelect()
        for count in 1...3 { try publisher.publish(MadeJournal.admissions("s-2", count: count).batch(1, count)) }
        try eventually("the depths are known") { depths.counts.ready == 3 && depths.counts.dead == 1 }
        try eventually("the metric") { metrics.render().contains("tapline_broker_dead_letters 1.0\n") }
        try service.end()
    }
}
