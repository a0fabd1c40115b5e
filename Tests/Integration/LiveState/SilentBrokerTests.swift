import AMQP
import FileSystem
import LinuxSystem
import TestSupport
import Testing

/// Tests what a running center says of a broker that the network takes away in silence.
@Suite struct SilentBrokerTests {
    @Test func stateSaysWithinFiveSecondsThatTheBrokerIsAway() throws {
        let (fixture, vhost, folder) = (try IngestFixture(), try TestVhost(), TemporaryFolder("silent"))
        let broker = try AMQPAddress(url: vhost.url)
        let proxy = try FaultProxy(target: UInt16(broker.port))
        defer { proxy.end() }
        let port = try FaultProxy.freePort()
        let center = try ChildProcess(
            Package.program("tapline-center"),
            [
                "run", "--amqp-url", vhost.url.replacing(":\(broker.port)/", with: ":\(proxy.port)/"), "--database-url",
                fixture.url, "--http", "127.0.0.1:\(port)",
            ], output: .null, errors: folder.file("log"))
        defer { center.kill() }
        func says(_ text: String) -> Bool {
            (try? RawHTTP(port: port).get("/api/live?once").text.contains(text)) == true
        }
        try eventually("the broker is connected") { says(#""broker":{"ok":true"#) }
        try eventually("the queues are read") { says(#""dead":0"#) }
        proxy.set { $0.isSilent = true }
        let silent = SystemClock.monotonicMs()
        try eventually("the broker is away") { says(#""broker":{"ok":false"#) }
        #expect(SystemClock.monotonicMs() - silent < 5_000)
        #expect(says(#""key":"broker-away""#) && says(#""problem":"the broker does not answer""#))
        proxy.set { $0.isSilent = false }
        try eventually("the broker is back") { says(#""broker":{"ok":true"#) }
    }
}
