import AMQP
import Ingest
import LinuxSystem
import Runtime
import TestSupport
import Testing

/// Tests what the live state knows of the servers.
struct QueueDepthsTests {
    @Test func depthsAreReadWhileTheBrokerIsThere() throws {
        let vhost = try TestVhost()
        let address = try AMQPAddress(url: vhost.url)
        let connection = try AMQPConnection(address, name: "test")
        for queue in ["tapline.scans.0", "tapline.scans.1"] { try connection.declareQueue(queue) }
        func publish(to queue: String) throws {
            try connection.publish(exchange: "", routingKey: queue, properties: AMQPProperties(), body: [1])
        }
        for queue in ["tapline.scans.0", "tapline.scans.1", "tapline.scans.1"] { try publish(to: queue) }
        let settings = IngestSettings(brokers: [address], databaseURL: "postgresql://localhost/none")
        let depths = QueueDepths(settings, metrics: Metrics())
        #expect(depths.counts == QueueDepths.Counts())
        let service = RunningService(depths.service())
        try eventually("the depths of both queues") { depths.counts.ready == 3 }
        // A queue that does not exist is unknown, not empty.
        #expect(depths.counts.dead == nil)
        try connection.declareQueue("tapline.dead")
        try publish(to: "tapline.dead")
        try eventually("the dead letter") { depths.counts.dead == 1 && depths.counts.ready == 3 }
        try TestServers.command("delete-vhost", vhost.name)
        try eventually("nothing is known without a broker") { depths.counts == QueueDepths.Counts() }
        try service.end()
    }

    /// The network takes the broker away without an end of the connections. Heartbeats would notice it after 20 s.
    @Test func silentBrokerIsNoticedWithinFiveSecondsAndHeals() throws {
        let vhost = try TestVhost()
        let broker = try AMQPAddress(url: vhost.url)
        try AMQPConnection(broker, name: "test").declareQueue("tapline.scans.0")
        let proxy = try FaultProxy(target: UInt16(broker.port))
        defer { proxy.end() }
        let address = try AMQPAddress(url: vhost.url.replacing(":\(broker.port)/", with: ":\(proxy.port)/"))
        let depths = QueueDepths(
            IngestSettings(brokers: [address], databaseURL: "postgresql://localhost/none"), metrics: Metrics())
        let service = RunningService(depths.service())
        try eventually("the depths") { depths.counts.ready == 0 }
        #expect(depths.silentSinceMicros == nil)
        proxy.set { $0.isSilent = true }
        let silent = SystemClock.monotonicMs()
        try eventually("the silence is noticed") { depths.silentSinceMicros != nil }
        #expect(SystemClock.monotonicMs() - silent < 5_000)
        #expect(depths.counts == QueueDepths.Counts())
        let since = depths.silentSinceMicros
        try eventually("another attempt") { proxy.connections >= 3 }
        #expect(depths.silentSinceMicros == since)
        proxy.set { $0.isSilent = false }
        try eventually("the broker answers") { depths.silentSinceMicros == nil && depths.counts.ready == 0 }
        // A broker that rejects the user is not away.
        try TestServers.command("delete-vhost", vhost.name)
        try eventually("nothing is known") { depths.counts.ready == nil }
        #expect(depths.silentSinceMicros == nil)
        try service.end()
    }

    /// At a new broker the reader starts before the queues are declared.
    @Test func queuesDeclaredAfterTheFirstReadingAreCounted() throws {
        let vhost = try TestVhost()
        let address = try AMQPAddress(url: vhost.url)
        let connection = try AMQPConnection(address, name: "test")
        try connection.declareQueue("tapline.dead")
        try connection.publish(exchange: "", routingKey: "tapline.dead", properties: AMQPProperties(), body: [1])
        let settings = IngestSettings(brokers: [address], databaseURL: "postgresql://localhost/none")
        let depths = QueueDepths(settings, metrics: Metrics())
        let service = RunningService(depths.service())
        try eventually("the first reading") { depths.counts.dead == 1 }
        #expect(depths.counts.ready == nil)
        try connection.declareQueue("tapline.scans.0")
        try connection.publish(exchange: "", routingKey: "tapline.scans.0", properties: AMQPProperties(), body: [1])
        try eventually("the message of the new queue", withinMs: 40_000) { depths.counts.ready == 1 }
        try service.end()
    }

    @Test func connectionsSaySinceWhenTheyAreLost() throws {
        let before = SystemClock.nowMicroseconds()
        let running = try RunningIngest()
        let health = running.ingest.health
        #expect(!health.broker.isConnected && health.broker.sinceMicros >= before)
        try running.waitUntilReady()
        #expect(health.broker.isConnected && health.database.isConnected)
        let connected = health.broker.sinceMicros
        #expect(!running.ingest.isStoringBacklog && running.ingest.unacknowledged == 0)
        try TestServers.command("delete-vhost", running.vhost.name)
        try running.wait("the broker is lost") { !health.broker.isConnected }
        #expect(health.broker.sinceMicros > connected && health.database.isConnected)
        #expect(try running.end() == nil)
    }
}
