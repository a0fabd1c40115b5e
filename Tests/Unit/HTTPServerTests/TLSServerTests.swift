import Certificates
import FileSystem
import HTTPServer
import TestSupport
import Testing

/// The server with TLS, by curl as the client.
@Suite struct TLSServerTests {
    private let folder = TemporaryFolder("tls")
    private let first: HTTPCertificate
    private let second: HTTPCertificate

    init() throws {
        let folder = folder
        func pair(_ name: String) throws -> HTTPCertificate {
            let authority = try CertificateAuthority(name: name, days: 2)
            let (certificate, key) = try authority.issue(
                "center", .server(names: ["localhost"], addresses: []), days: 1)
            try Files.writeAtomically(try authority.certificate.pem(), to: folder.file("\(name).pem"))
            return HTTPCertificate(chain: try certificate.pem(), key: try key.pem())
        }
        (first, second) = (try pair("first"), try pair("second"))
    }

    private func serve(_ handler: @escaping HTTPListener.Handler = { _ in .text("here\n") }) throws -> HTTPListener {
        try HTTPListener(#require(HTTPAddress("127.0.0.1:0")), certificate: first, handler: handler)
    }

    /// Returns what curl prints; `nil` if it fails.
    private func curl(_ server: HTTPListener, trusting authority: String, _ options: [String] = []) throws -> String? {
        let arguments = ["-sS", "-m", "60", "--cacert", folder.file("\(authority).pem")] + options
        let run = try Run.it("curl", arguments + ["https://localhost:\(server.port)/"])
        return run.end == .exit(0) ? run.lines.joined(separator: "\n") : nil
    }

    @Test func certificateIsVerifiedByTheClient() throws {
        let server = try serve { .text($0.isLocal ? "local\n" : "other\n") }
        defer { server.stop() }
        #expect(try curl(server, trusting: "first") == "local")
        #expect(try curl(server, trusting: "second") == nil)
        #expect(try curl(server, trusting: "first", ["--tls-max", "1.2"]) == "local")
        #expect(try curl(server, trusting: "first", ["--tls-max", "1.1"]) == nil)
        #expect(try RawHTTP(port: server.port).get("/").status == 0, "plain HTTP got an answer")
    }

    @Test func newCertificateIsServedAtOnce() throws {
        let path = folder.file("body")
        let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try Files.writeAtomically(bytes, to: path)
        let server = try serve { _ in
            (try? HTTPFile(path: path)).flatMap { $0 }
                .map { HTTPResponse(contentType: "application/octet-stream", body: .file($0)) }
                ?? .text("", status: 500)
        }
        defer { server.stop() }
        let port = server.port
        // A download of several seconds that begins before the change.
        let slow = try ChildProcess(
            "curl",
            [
                "-sS", "--cacert", folder.file("first.pem"), "--limit-rate", "1M", "-o", folder.file("slow"),
                "https://localhost:\(port)/",
            ], output: .null)
        try eventually("the download has begun") { Files.status(folder.file("slow"))?.size ?? 0 > 0 }
        try server.use(second)
        #expect(server.port == port)
        #expect(try curl(server, trusting: "second", ["-o", folder.file("quick")]) != nil)
        #expect(try curl(server, trusting: "first", ["-o", folder.file("none")]) == nil)
        server.closeStalled()
        #expect(try slow.wait() == .exit(0), "the download was cut")
        #expect(try Files.read(folder.file("slow")) == bytes && Files.read(folder.file("quick")) == bytes)
        try eventually("the former connections are closed") {
            server.closeStalled()
            return server.connections == 0
        }
        server.stop()
        #expect(throws: RawHTTP.Refused.self) { try RawHTTP(port: port).get("/") }
    }

    @Test func newCertificateEndsTheStreamsOfTheFormer() throws {
        let hub = HTTPStreamHub()
        let server = try serve { _ in HTTPResponse(contentType: "text/event-stream", body: .stream(hub)) }
        defer { server.stop() }
        let target = "https://localhost:\(server.port)/[1-100]"
        let crowd = try ChildProcess(
            "curl",
            [
                "-sSN", "-m", "120", "--cacert", folder.file("first.pem"), "--parallel", "--parallel-immediate",
                "--parallel-max", "100", "-o", folder.file("frame") + "#1", target,
            ], output: .null)
        try eventually("a hundred read") { hub.readers == 100 }
        hub.publish(StreamClient.frame(1, size: 20_000))
        try eventually("each has the frame") {
            (1...100).allSatisfy { Files.status(folder.file("frame\($0)"))?.size == 20_000 }
        }
        try server.use(second)
        #expect(try crowd.wait() == .exit(0), "a stream did not end")
        try eventually("the former connections are closed") {
            server.closeStalled()
            return server.connections == 0 && hub.readers == 0
        }
        // New streams have the new certificate.
        let other = try ChildProcess(
            "curl", ["-sSN", "--cacert", folder.file("second.pem"), "https://localhost:\(server.port)/"], output: .null)
        try eventually("a stream again") { hub.readers == 1 }
        hub.close()
        #expect(try other.wait() == .exit(0))
    }

    @Test func unusableCertificateLeavesTheFormerInUse() throws {
        let server = try serve()
        defer { server.stop() }
        let mixed = try mixedPair()
        #expect(throws: HTTPServerError.self) { try server.use(mixed) }
        #expect(throws: HTTPServerError.self) { try server.use(HTTPCertificate(chain: [1, 2], key: [3])) }
        #expect(try curl(server, trusting: "first") == "here")
        try server.use(second)
        #expect(try curl(server, trusting: "second") == "here")
        #expect(throws: HTTPServerError.self) {
            try HTTPListener(#require(HTTPAddress("127.0.0.1:0")), certificate: mixed) { _ in .text("") }
        }
    }

    /// A certificate with the key of another one.
    private func mixedPair() throws -> HTTPCertificate {
        let authority = try CertificateAuthority(name: "mixed", days: 2)
        let (certificate, _) = try authority.issue("center", .server(names: ["localhost"], addresses: []), days: 1)
        return HTTPCertificate(chain: try certificate.pem(), key: try PrivateKey().pem())
    }
}
