import Certificates
import FileSystem
import Glibc
import HTTPServer
import Runtime
import TestSupport
import Testing

@testable import CenterHTTP

/// The certificate of the center's HTTP server, from its files.
@Suite(.serialized) struct ServerCertificateTests {
    private let folder = TemporaryFolder("certificate")
    private let authority: CertificateAuthority

    init() throws {
        authority = try CertificateAuthority(name: "site", days: 3)
        try Files.writeAtomically(try authority.certificate.pem(), to: folder.file("ca.pem"))
    }

    private var files: ServerCertificateFiles {
        ServerCertificateFiles(chain: folder.file("center.pem"), key: folder.file("center.key"))
    }

    private func issue(days: Int = 1) throws {
        let (certificate, key) = try authority.issue("center", .server(names: ["localhost"], addresses: []), days: days)
        try Files.writeAtomically(try key.pem(), to: folder.file("center.key"), mode: 0o600)
        try Files.writeAtomically(try certificate.pem(), to: folder.file("center.pem"))
    }

    @Test func filesThatDoNotFitAreRejectedByName() throws {
        #expect(throws: ServerCertificateError.self) { try files.load() }
        try issue()
        #expect(try files.load().expiresS > 0)
        try Files.writeAtomically(try PrivateKey().pem(), to: folder.file("center.key"))
        let error = try #require(throws: ServerCertificateError.self) { try files.load() }
        #expect(error.description.contains("center.key: not the private key"))
        try Files.writeAtomically(Array("nothing".utf8), to: folder.file("center.key"))
        #expect(throws: ServerCertificateError.self) { try files.load() }
    }

    /// Returns the serial number of the certificate that a server shows.
    private func serial(_ port: Int) throws -> String {
        let shown = try Run.it(
            "openssl", ["s_client", "-connect", "127.0.0.1:\(port)", "-servername", "localhost"], input: "")
        return try Run.succeeding(
            "openssl", ["x509", "-noout", "-serial"], input: shown.lines.joined(separator: "\n") + "\n"
        ).lines.joined()
    }

    private func expiry(_ metrics: Metrics) -> String? {
        metrics.render().split(separator: "\n").first {
            $0.hasPrefix("tapline_http_certificate_expires_timestamp_seconds ")
        }.map { String($0) }
    }

    @Test func changedFilesAreServedWithoutARestart() throws {
        try issue(days: 1)
        let metrics = Metrics()
        let endpoints = CenterEndpoints(metrics: metrics, snapshots: nil) { [] }
        let port = try freePort()
        let running = try RunningService(
            endpoints.service(#require(HTTPAddress("127.0.0.1:\(port)")), files))
        try eventually("the server listens") { expiry(metrics) != nil }
        let (first, firstExpiry) = (try serial(port), expiry(metrics))
        // A pair that does not fit, as between the two renames of a renewal.
        try Files.writeAtomically(try PrivateKey().pem(), to: folder.file("center.key"))
        kill(getpid(), SIGHUP)
        #expect(try serial(port) == first)
        try issue(days: 2)
        kill(getpid(), SIGHUP)
        try eventually("the new certificate is served") { try serial(port) != first }
        #expect(expiry(metrics) != firstExpiry)
        // Without a signal.
        let second = try serial(port)
        try issue(days: 2)
        try eventually("the third certificate is served") { try serial(port) != second }
        try running.end()
    }

    private func freePort() throws -> Int {
        let probe = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { _ in .text("") }
        defer { probe.stop(graceMs: 0) }
        return Int(probe.port)
    }
}
