import ErrorModel
import FakeCenter
import HTTPClient
import HTTPServer
import TestSupport
import Testing

@testable import Minisign
@testable import SnapshotDownload

/// The token of a scanner goes to the center and to nothing else.
@Suite struct TokenTests {
    private let center: TestCenter

    init() throws {
        center = try TestCenter()
        try center.publish(version: 7)
    }

    @Test func tokenIsSentWithEachRequest() throws {
        let rig = DownloadFixture(center)
        #expect(try rig.download { $0.token = "secret-1" }.fetch() == .installed(version: 7))
        #expect(center.requests.count >= 3)
        #expect(center.requests.allSatisfy { $0.bearerToken == "secret-1" })
    }

    @Test func noTokenIsSentWithoutOne() throws {
        _ = try DownloadFixture(center).download().fetch()
        #expect(center.requests.allSatisfy { $0.headers["authorization"] == nil })
    }

    /// Another port and another name of the same machine are other hosts.
    @Test(arguments: ["127.0.0.1", "localhost"])
    func redirectedRequestCarriesNoToken(host: String) throws {
        let thief = try RawServer { _ in .init("HTTP/1.1 404 Not Found\nContent-Length: 0") }
        defer { thief.end() }
        center.redirect("manifest.json", to: "http://\(host):\(thief.port)/manifest.json")
        let rig = DownloadFixture(center)
        _ = try rig.fetchFailure(rig.download { $0.token = "secret-1" })
        #expect(thief.requests.count == 1, "the redirect was not followed")
        #expect(thief.requests.allSatisfy { !$0.contains("secret-1") && !$0.lowercased().contains("authorization") })
        #expect(center.requests.allSatisfy { $0.bearerToken == "secret-1" })
    }

    @Test func refusedTokenIsExplained() throws {
        center.answer("manifest.json", [.text("", status: 401)])
        let rig = DownloadFixture(center)
        let without = try rig.fetchFailure()
        #expect(without.category == .unavailable && "\(without)".contains("and none is set"))
        let with = try rig.fetchFailure(rig.download { $0.token = "secret-1" })
        #expect("\(with)".contains("wants the token") && !"\(with)".contains("secret-1"))
    }

    @Test(arguments: [
        ("https://center.example", true), ("HTTPS://10.0.0.1/x", true), ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080/x", true), ("http://localhost", true), ("http://user@localhost:80/", true),
        ("http://center.example", false), ("http://10.0.0.1:8080", false), ("http://[2001:db8::1]", false),
        ("http://localhost@center.example/", false), ("http://center.example/?localhost", false),
        ("http://localhost.example", false), ("ftp://localhost", false), ("localhost", false), ("", false),
    ])
    func plainHTTPToAnotherMachineIsReadable(url: String, isProtected: Bool) {
        #expect(HTTPAuthority.isProtected(url) == isProtected)
    }

    /// With the built program.
    @Test func programSendsTokenOverProtectedConnectionsOnly() throws {
        let scanner = TemporaryFolder("scanner")
        let arguments = ["fetch", "--data", scanner.path, "--trust-key", center.key.publicKey.base64]
        let token = ["TAPLINE_CENTER_TOKEN": "secret-1"]
        let open = try Run.it(
            "tapline-publisher", arguments + ["--center-url", "http://center.example", "--check"], environment: token)
        #expect(open.end == .exit(78) && open.errors.contains("--insecure-http") && !open.errors.contains("secret-1"))
        try Run.succeeding(
            "tapline-publisher",
            arguments + ["--center-url", "http://center.example", "--insecure-http", "--check"], environment: token)
        let fetch = try Run.succeeding(
            "tapline-publisher", arguments + ["--center-url", center.url], environment: token)
        #expect(fetch.lines == ["installed 7"] && center.requests.allSatisfy { $0.bearerToken == "secret-1" })
        let broken = try Run.it(
            "tapline-publisher", arguments + ["--center-url", center.url, "--check"],
            environment: ["TAPLINE_CENTER_TOKEN": "two words"])
        #expect(broken.end == .exit(78) && !broken.errors.contains("two words"))
    }
}
