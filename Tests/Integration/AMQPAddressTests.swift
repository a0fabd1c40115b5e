import AMQP
import Testing

@Suite
struct AMQPAddressTests {
    @Test func urlIsParsedWithDefaultsAndEncoding() throws {
        let plain = try AMQPAddress(url: "amqp://broker")
        #expect((plain.host, plain.port, plain.user, plain.virtualHost) == ("broker", 5_672, "guest", "/"))
        let full = try AMQPAddress(url: "amqps://lane%2D1:s%40cret%2f@[::1]:5000/%2Fevent%20one?cacertfile=/etc/a.pem")
        #expect((full.host, full.port, full.user, full.virtualHost) == ("::1", 5_000, "lane-1", "/event one"))
        #expect(full.usesTLS && full.authorityFile == "/etc/a.pem")
        #expect(try AMQPAddress(url: "amqps://broker").port == 5_671)
        // A URL that ends with a slash selects the default virtual host.
        #expect(try AMQPAddress(url: "amqp://broker/").virtualHost == "/")
    }

    @Test func descriptionOmitsThePassword() throws {
        let address = try AMQPAddress(url: "amqp://lane-1:hunter2@broker:99/v")
        #expect("\(address)" == "amqp://lane-1@broker:99/v")
        do {
            _ = try AMQPAddress(url: "amqp://lane-1:hunter2@broker:port")
            Issue.record("an invalid port was accepted")
        } catch { #expect(!"\(error)".contains("hunter2")) }
    }

    @Test(
        arguments: [
            "", "broker", "http://broker", "amqp://broker:0", "amqp://broker:65536", "amqp://broker:1x", "amqp://[::1",
            "amqp://a%zz@broker", "amqp://broker/%00", "amqp://broker?cacertfile=/a", "amqps://broker?certfile=/a",
            "amqps://broker?verify=none", "amqp://%ff@broker",
        ])
    func invalidURLIsRejected(_ url: String) {
        #expect(throws: AMQPError.self) { try AMQPAddress(url: url) }
    }
}
