import ErrorModel
import FakeCenter
import Glibc
import HTTPClient
import TestSupport
import Testing

@testable import Minisign
@testable import SnapshotDownload
@testable import Snapshots

/// A center behind TLS with a private certificate authority. Python serves, and openssl makes the certificates.
@Suite struct TLSTests {
    let center: TestCenter
    let folder = TemporaryFolder("tls")
    let server: ChildProcess
    let port: Int

    init() throws {
        center = try TestCenter()
        try center.publish(version: 7)
        for name in ["ours", "theirs"] {
            try Run.succeeding(
                "openssl",
                [
                    "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=\(name)", "-keyout",
                    folder.file("\(name).key"), "-out", folder.file("\(name).pem"),
                ])
        }
        // Valid for the name `localhost`, not for an IP address.
        try Run.succeeding(
            "openssl",
            [
                "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=center", "-addext",
                "subjectAltName=DNS:localhost", "-CA", folder.file("ours.pem"), "-CAkey", folder.file("ours.key"),
                "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", folder.file("center.key"), "-out",
                folder.file("center.pem"),
            ])
        let script = """
            import http.server, ssl, sys
            class Handler(http.server.SimpleHTTPRequestHandler):
                def do_GET(self):
                    if self.path.endswith("/out"):
                        self.send_response(302)
                        self.send_header("Location", "http://127.0.0.1:1/x")
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                    else:
                        self.path = self.path.removeprefix("/snapshot")
                        super().do_GET()
                def __init__(self, *arguments):
                    super().__init__(*arguments, directory=sys.argv[1])
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(sys.argv[2], sys.argv[3])
            server.socket = context.wrap_socket(server.socket, server_side=True)
            print(server.server_address[1], flush=True)
            server.serve_forever()
            """
        server = try ChildProcess(
            "python3", ["-c", script, center.folder.path, folder.file("center.pem"), folder.file("center.key")],
            errors: folder.file("python.log"))
        guard let line = try server.line(), let port = Int(line) else {
            throw TestFailure("the server did not start\(server.errorTail())")
        }
        self.port = port
    }

    private func rig(_ host: String = "localhost") -> DownloadFixture {
        DownloadFixture(center, urls: ["https://\(host):\(port)"])
    }

    @Test func certificateOfConfiguredAuthorityIsAccepted() throws {
        let rig = rig()
        #expect(
            try rig.download { $0.authorityFile = folder.file("ours.pem") }.fetch() == .installed(version: 7))
        #expect(try rig.gateAnswer(1) == (7, .active))
    }

    @Test func certificateOfOtherAuthorityIsRejected() throws {
        for authority in [folder.file("theirs.pem"), "/etc/ssl/certs/ca-certificates.crt", nil] {
            let rig = rig()
            let error = try rig.fetchFailure(rig.download { $0.authorityFile = authority })
            #expect(error.category == .unavailable && "\(error)".contains("certificate"), "\(error)")
            #expect(rig.version == nil)
        }
    }

    @Test func certificateForOtherNameIsRejected() throws {
        let rig = rig("127.0.0.1")
        let error = try rig.fetchFailure(rig.download { $0.authorityFile = folder.file("ours.pem") })
        #expect(error.category == .unavailable && "\(error)".contains("127.0.0.1"), "\(error)")
    }

    @Test func redirectFromTLSToPlainHTTPIsRejected() throws {
        var settings = HTTPSession.Settings()
        settings.authorityFile = folder.file("ours.pem")
        let client = HTTPSession(settings)
        let error = #expect(throws: HTTPClientError.self) {
            try client.get("https://localhost:\(port)/out", limitBytes: 100)
        }
        #expect(error?.kind == .address)
    }

    /// With the built program.
    @Test func programReadsAuthorityFromOption() throws {
        let scanner = TemporaryFolder("scanner")
        let arguments = [
            "fetch", "--data", scanner.path, "--center-url", "https://localhost:\(port)", "--trust-key",
            center.key.publicKey.base64, "--center-ca-file",
        ]
        let run = try Run.succeeding("tapline-publisher", arguments + [folder.file("ours.pem")])
        #expect(run.lines == ["installed 7"])
        #expect(run.errors.contains("snapshot installed") && !run.errors.contains(#""bytes":"0""#))
        #expect(try Run.it("tapline-publisher", arguments + [folder.file("theirs.pem")]).end == .exit(69))
        #expect(try Run.it("tapline-publisher", arguments + [folder.file("none.pem")]).end == .exit(78))
    }
}
