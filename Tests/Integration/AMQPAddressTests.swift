import AMQP
import Testing

@Suite("AMQP URLs")
struct AMQPAddressTests {
    @Test("Parts, defaults and percent-encoding")
    func parts() throws {
        let plain = try AMQPAddress(url: "amqp://broker")
        #expect((plain.host, plain.port, plain.user, plain.virtualHost) == ("broker", 5_672, "guest", "/"))
        let full = try AMQPAddress(url: "amqps://lane%2D1:s%40cret%2f@[::1]:5000/%2Fevent%20one?cacertfile=/etc/a.pem")
        #expect((full.host, full.port, full.user, full.virtualHost) == ("::1", 5_000, "lane-1", "/event one"))
        #expect(full.usesTLS && full.authorityFile == "/etc/a.pem")
        #expect(try AMQPAddress(url: "amqps://broker").port == 5_671)
        // A URL that ends in a slash names the virtual host without a name.
        #expect(try AMQPAddress(url: "amqp://broker/").virtualHost == "/")
    }

    @Test("What is shown never holds the password")
    func description() throws {
        let address = try AMQPAddress(url: "amqp://lane-1:hunter2@broker:99/v")
        #expect("\(address)" == "amqp://lane-1@broker:99/v")
        do {
            _ = try AMQPAddress(url: "amqp://lane-1:hunter2@broker:port")
            Issue.record("that is no port")
        } catch { #expect(!"\(error)".contains("hunter2")) }
    }

    @Test(
        "What is no address is refused",
        arguments: [
            "", "broker", "http://broker", "amqp://broker:0", "amqp://broker:65536", "amqp://broker:1x", "amqp://[::1",
            "amqp://a%zz@broker", "amqp://broker/%00", "amqp://broker?cacertfile=/a", "amqps://broker?certfile=/a",
            "amqps://broker?verify=none", "amqp://%ff@broker",
        ])
    func refused(_ url: String) {
        #expect(throws: AMQPError.self) { try AMQPAddress(url: url) }
    }
}
