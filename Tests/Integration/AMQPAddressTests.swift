import AMQP
import ErrorModel
import Testing

@Suite
struct AMQPAddressTests {
    private static let insecure = AMQPSecurity(allowsInsecure: true)

    @Test func urlIsParsedWithDefaultsAndEncoding() throws {
        let plain = try AMQPAddress(url: "amqp://broker", security: Self.insecure)
        #expect((plain.host, plain.port, plain.user, plain.virtualHost) == ("broker", 5_672, "guest", "/"))
        let full = try AMQPAddress(url: "amqps://lane%2D1:s%40cret%2f@broker:5000/%2Fevent%20one?cacertfile=/etc/a.pem")
        #expect((full.host, full.port, full.user, full.virtualHost) == ("broker", 5_000, "lane-1", "/event one"))
        #expect(full.usesTLS && full.verifiesCertificate && full.authorityFile == "/etc/a.pem")
        #expect(try AMQPAddress(url: "amqps://a:b@broker").port == 5_671)
        // A URL that ends with a slash selects the default virtual host.
        #expect(try AMQPAddress(url: "amqp://localhost/").virtualHost == "/")
        let number = try AMQPAddress(url: "amqp://[::1]:5000")
        #expect((number.host, number.port) == ("::1", 5_000))
    }

    @Test func descriptionOmitsThePassword() throws {
        let address = try AMQPAddress(url: "amqp://lane-1:hunter2@localhost:99/v")
        #expect("\(address)" == "amqp://lane-1@localhost:99/v")
        for url in ["amqp://lane-1:hunter2@localhost:port", "amqp://lane-1:hunter2@broker"] {
            let error = try #require(throws: AMQPError.self) { try AMQPAddress(url: url) }
            #expect(!"\(error)".contains("hunter2"))
        }
    }

    @Test(
        arguments: [
            "", "broker", "http://broker", "amqp://broker:0", "amqp://broker:65536", "amqp://broker:1x", "amqp://[::1",
            "amqp://a%zz@broker", "amqp://broker/%00", "amqp://broker?cacertfile=/a", "amqps://broker?certfile=/a",
            "amqps://broker?verify=none", "amqp://%ff@broker", "amqps://broker?cacertfile=%00",
            "amqps://broker?certfile=/a&keyfile=/b",
        ])
    func invalidURLIsRejected(_ url: String) throws {
        let error = try #require(throws: AMQPError.self) { try AMQPAddress(url: url, security: Self.insecure) }
        #expect(error.kind == .address)
    }

    @Test(
        arguments: [
            "amqp://gate-1:x@broker.example", "amqp://gate-1:x@10.0.0.5", "amqp://gate-1:x@[2001:db8::1]",
            "amqp://gate-1:x@127.0.0.1.example", "amqps://broker.example", "amqps://guest:x@broker.example",
            "amqps://gate-1:x@broker.example?verify=verify_none",
        ])
    func unprotectedBrokerOnAnotherMachineIsRefused(_ url: String) throws {
        let error = try #require(throws: AMQPError.self) { try AMQPAddress(url: url) }
        #expect(error.kind == .insecure && error.category == .configuration)
        _ = try AMQPAddress(url: url, security: Self.insecure)
    }

    @Test(
        arguments: [
            "amqp://localhost", "amqp://127.0.0.1:5672", "amqp://127.8.8.8", "amqp://[::1]", "amqps://localhost",
            "amqps://gate-1:x@broker.example", "amqps://[::1]?verify=verify_none",
        ])
    func protectedOrLocalBrokerIsAccepted(_ url: String) throws {
        _ = try AMQPAddress(url: url)
    }

    /// librabbitmq compares host names only, so each certificate would be refused at the first connection.
    @Test(arguments: ["amqps://gate-1:x@10.0.0.5", "amqps://gate-1:x@[2001:db8::1]", "amqps://127.0.0.1"])
    func verifiedIPAddressIsRefusedWithTheReason(_ url: String) throws {
        let error = try #require(throws: AMQPError.self) { try AMQPAddress(url: url) }
        #expect(error.kind == .address && error.detail.contains("IP address") && error.detail.contains("/etc/hosts"))
    }

    @Test func clientCertificateReplacesThePassword() throws {
        let security = AMQPSecurity(authorityFile: "/ca", certificateFile: "/c", keyFile: "/k")
        let external = try AMQPAddress(url: "amqps://gate-1@broker.example", security: security)
        #expect(external.logsInByCertificate && external.user == "gate-1" && external.authorityFile == "/ca")
        // With a password the certificate only identifies the connection.
        #expect(try !AMQPAddress(url: "amqps://gate-1:x@broker.example", security: security).logsInByCertificate)
        #expect(throws: AMQPError.self) { try AMQPAddress(url: "amqps://broker.example", security: security) }
        #expect(throws: AMQPError.self) {
            try AMQPAddress(url: "amqps://a:b@broker.example", security: AMQPSecurity(certificateFile: "/c"))
        }
        // Parameters of the URL have priority; a plain URL uses no file.
        let own = try AMQPAddress(url: "amqps://a:b@broker.example?cacertfile=/other", security: security)
        #expect(own.authorityFile == "/other" && own.keyFile == "/k")
        let plain = try AMQPAddress(url: "amqp://localhost", security: security)
        #expect(plain.certificateFile == nil && !plain.logsInByCertificate)
    }
}
