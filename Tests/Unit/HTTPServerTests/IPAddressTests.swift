import LinuxSystem
import Testing

struct IPAddressTests {
    @Test(arguments: ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "localhost", "LOCALHOST"])
    func loopbackHostIsThisMachine(host: String) {
        #expect(IPAddress.isLoopback(host: host))
    }

    @Test(
        arguments: [
            "", "128.0.0.1", "10.0.0.1", "0.0.0.0", "::", "::2", "fe80::1", "::ffff:10.0.0.1", "127.0.0.1.example",
            "localhost.example", "127.1", "[::1]", "127.0.0.1:80", "center",
        ])
    func otherHostIsNotThisMachine(host: String) {
        #expect(!IPAddress.isLoopback(host: host))
    }

    @Test func mappedAddressEqualsIPv4() throws {
        #expect(IPAddress("::ffff:10.1.2.3") == IPAddress("10.1.2.3"))
        #expect(try #require(IPAddress("::ffff:10.1.2.3")).description == "10.1.2.3")
        #expect(try #require(IPAddress("2001:DB8::1")).description == "2001:db8::1")
    }

    @Test func networkOfIPv6IsItsFirstHalf() throws {
        let one = try #require(IPAddress("2001:db8:1:2:3:4:5:6"))
        #expect(one.network == IPAddress("2001:db8:1:2:ffff::")?.network)
        #expect(one.network != IPAddress("2001:db8:1:3::")?.network)
        #expect(IPAddress("10.1.2.3")?.network != IPAddress("10.1.2.4")?.network)
    }
}
