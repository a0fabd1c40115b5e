import HTTPServer
import LinuxSystem
import Testing
import ViewerAccess

@testable import CenterHTTP

/// Who may see what, by token and by network.
struct ViewerPolicyTests {
    private static let tokens: [String: ViewerRole] = ["c": .counts, "n": .names]

    private func policy(_ open: OpenNetworks, names: [String] = []) -> ViewerPolicy {
        ViewerPolicy(open: open, names: names) { token in Self.tokens[token].map { ($0, 60) } }
    }

    private func role(
        _ open: OpenNetworks, _ peer: String?, _ headers: [String: String] = [:], names: [String] = []
    ) -> ViewerRole? {
        policy(open, names: names).role(
            of: HTTPRequest(path: "/api/live", headers: headers, peer: peer.flatMap { IPAddress($0) }))
    }

    @Test(arguments: [
        ("127.0.0.1", true, true), ("127.9.9.9", true, true), ("::1", true, true), ("::ffff:127.0.0.1", true, true),
        ("10.1.2.3", false, true), ("172.16.0.1", false, true), ("172.31.255.255", false, true),
        ("192.168.1.1", false, true), ("169.254.1.1", false, true), ("fd00::1", false, true), ("fe80::1", false, true),
        ("::ffff:10.0.0.1", false, true), ("172.32.0.1", false, false), ("172.15.255.255", false, false),
        ("11.0.0.1", false, false), ("192.169.0.1", false, false), ("8.8.8.8", false, false),
        ("2001:db8::1", false, false), ("fec0::1", false, false), ("100.64.0.1", false, false),
    ])
    func countsAreOpenToTheNetworksOfTheSetting(peer: String, isLoopback: Bool, isPrivate: Bool) {
        #expect((role(.loopback, peer) == .counts) == isLoopback)
        #expect((role(.private, peer) == .counts) == isPrivate)
        #expect(role(.none, peer) == nil)
        #expect(role(.any, peer) == .counts)
    }

    @Test func unknownAddressIsInNoNetwork() {
        #expect(role(.private, nil) == nil && role(.any, nil) == .counts)
    }

    @Test func listedNetworksAreOpen() throws {
        let open = try #require(OpenNetworks("192.0.2.0/25,2001:db8::/33,198.51.100.7,loopback"))
        for peer in ["192.0.2.0", "192.0.2.127", "2001:db8:7fff::1", "198.51.100.7", "127.0.0.1"] {
            #expect(role(open, peer) == .counts, "\(peer)")
        }
        for peer in ["192.0.2.128", "192.0.1.255", "2001:db8:8000::1", "198.51.100.6", "10.0.0.1"] {
            #expect(role(open, peer) == nil, "\(peer)")
        }
        for bad in [
            "", "private,", "192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/", "localhost", "any,none",
            "0.0.0.0/0 ", "2001:db8::/129", "Private",
        ] {
            #expect(OpenNetworks(bad) == nil, "\(bad)")
        }
        #expect(OpenNetworks("any") == .any && OpenNetworks("none") == OpenNetworks.none)
        #expect(OpenNetworks("0.0.0.0/0") != nil)
    }

    @Test(arguments: ["x-forwarded-for", "forwarded", "x-real-ip", "via"])
    func requestOfAProxyNeedsAToken(header: String) {
        #expect(role(.private, "127.0.0.1", [header: "10.0.0.1"]) == nil)
        #expect(role(.private, "127.0.0.1", [header: "10.0.0.1", "authorization": "Bearer n"]) == .names)
        #expect(role(.any, "127.0.0.1", [header: "8.8.8.8"]) == .counts)
    }

    @Test(arguments: [
        ("10.0.0.5:8080", true), ("[fd00::1]:8080", true), ("[fd00::1]", true), ("localhost:8080", true),
        ("center", true),
        ("center.local:8080", true), ("center.home.arpa.", true), ("Wall.Example.Org:443", true),
        ("wall.example.org.", true), ("evil.example:8080", false), ("wall.example.org.evil.example", false),
        ("10.0.0.5.evil.example", false), ("", true), ("local.evil", false), ("notlocal.example", false),
    ])
    func nameOfAStrangerNeedsAToken(host: String, isOpen: Bool) {
        let names = ["wall.example.org"]
        #expect((role(.private, "10.0.0.1", ["host": host], names: names) == .counts) == isOpen)
        #expect(role(.private, "10.0.0.1", ["host": host, "authorization": "Bearer c"]) == .counts)
        #expect(role(.any, "10.0.0.1", ["host": host]) == .counts)
    }

    @Test func tokenComesBeforeTheCookieAndTheNetwork() {
        func cookie(_ token: String) -> String { "a=b; tapline_viewer=\(token)" }
        #expect(role(.private, "10.0.0.1", ["authorization": "Bearer n", "cookie": cookie("c")]) == .names)
        #expect(role(.private, "10.0.0.1", ["authorization": "Bearer c", "cookie": cookie("n")]) == .counts)
        #expect(role(.private, "10.0.0.1", ["authorization": "Bearer x", "cookie": cookie("n")]) == .names)
        #expect(role(.none, "10.0.0.1", ["cookie": cookie("n")]) == .names)
        // An invalid token takes nothing away from the network.
        #expect(role(.private, "10.0.0.1", ["cookie": cookie("x")]) == .counts)
        #expect(role(.none, "10.0.0.1", ["cookie": cookie("x"), "authorization": "Basic n"]) == nil)
    }

    @Test func streamEndsWithItsTokenUnlessTheNetworkIsOpen() {
        let request = HTTPRequest(path: "/api/live", headers: ["authorization": "Bearer c"])
        #expect(policy(.loopback).permit(of: request) == nil)
        #expect(policy(.none).permit(of: request)?() == true)
        let revoked = ViewerPolicy(open: .none) { _ in nil }
        #expect(revoked.role(of: request) == nil)
    }
}
