import CenterHTTP
import Crypto
import DeviceEnrolment
import Enrolment
import EnrolmentExchange
import ErrorModel
import FileSystem
import HTTPServer
import Postgres
import Runtime
import ScanModel
import TestSupport
import Testing

/// A device fetches its enrolment file over TLS. Python ends the TLS, and openssl makes the certificates.
@Suite struct DeviceEnrolmentTests {
    private let fixture: EnrolmentFixture
    private let desk, access: RunningService
    private let listener: HTTPListener
    private let front: ChildProcess
    private let port: Int

    init() throws {
        let fixture = try EnrolmentFixture()
        let (desk, access) = (
            EnrolmentDesk(databaseURL: fixture.database.url), ScannerAccess(databaseURL: fixture.database.url)
        )
        let endpoints = CenterEndpoints(
            metrics: Metrics(), snapshots: nil,
            enrolment: .init(posts: [EnrolmentRequest.path: EnrolmentRequest.limitBytes]) { request in
                func response(_ response: EnrolmentResponse) -> HTTPResponse {
                    HTTPResponse(status: response.status, contentType: "text/plain", body: .bytes(response.body))
                }
                let bearer = request.headers["authorization"].map { String($0.dropFirst("Bearer ".count)) }
                return switch request.path {
                case EnrolmentRequest.path: response(desk.respond(body: request.body ?? []))
                case EnrolmentRenewal.path: response(access.renewal(token: bearer))
                default: nil
                }
            }, readiness: { [] })
        self.fixture = fixture
        (self.desk, self.access) = (RunningService(desk.service()), RunningService(access.service()))
        listener = try HTTPListener(
            #require(HTTPAddress("127.0.0.1:0")), posts: [EnrolmentRequest.path: EnrolmentRequest.limitBytes]
        ) { endpoints.respond(to: $0) }
        for name in ["center", "other"] {
            try Run.succeeding(
                "openssl",
                [
                    "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", fixture.folder.file("\(name).key"), "-out",
                    fixture.folder.file("\(name).pem"),
                ])
        }
        let script = """
            import select, socket, ssl, sys, threading
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(sys.argv[1], sys.argv[2])
            listener = socket.create_server(("127.0.0.1", 0))
            print(listener.getsockname()[1], flush=True)
            def serve(client):
                try: near = context.wrap_socket(client, server_side=True)
                except OSError: return
                far = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
                try:
                    while True:
                        ready = [near] if near.pending() else select.select([near, far], [], [])[0]
                        for source, target in ((near, far), (far, near)):
                            if source not in ready: continue
                            data = source.recv(65536)
                            if not data: return
                            target.sendall(data)
                except OSError: pass
                finally: near.close(); far.close()
            while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
            """
        front = try ChildProcess(
            "python3",
            [
                "-c", script, fixture.folder.file("center.pem"), fixture.folder.file("center.key"), "\(listener.port)",
            ], errors: fixture.folder.file("python.log"))
        guard let line = try front.line(), let port = Int(line) else {
            throw TestFailure("the server did not start\(front.errorTail())")
        }
        self.port = port
    }

    private func token(certificate name: String = "center") throws -> EnrolmentToken {
        let pin = try CertificateKey.fingerprint(pem: Files.read(fixture.folder.file("\(name).pem")))
        return try #require(EnrolmentToken(center: "localhost:\(port)", pinnedKey: pin))
    }

    private func issue(_ token: EnrolmentToken) throws -> IssuedEnrolment {
        var template = try fixture.template()
        template.centers = ["https://localhost:\(port)"]
        template.authorities = try Files.readText(fixture.folder.file("center.pem"))
        let issued = try template.issue(fixture.id(), isForToken: true)
        try fixture.store.store(token, issued, validS: 3_600)
        return issued
    }

    @Test func deviceGetsItsFileOnceFromThePinnedServer() throws {
        let token = try token()
        let issued = try issue(token)
        let content = try EnrolmentClient.enrol(token)
        #expect(content.settings["AMQP_URL"] == issued.content.settings["AMQP_URL"])
        let key = try #require(content.settings["DEVICE_KEY"].flatMap { Hex.decode($0) })
        #expect(try fixture.store.deviceKey(of: fixture.id()) == X25519.publicKey(of: key))
        #expect(throws: DeviceEnrolmentError.tokenRefused(center: token.center)) { try EnrolmentClient.enrol(token) }
    }

    @Test func serverWithAnotherKeyGetsNothing() throws {
        let token = try token(certificate: "other")
        _ = try issue(token)
        let error = try #require(throws: DeviceEnrolmentError.self) { try EnrolmentClient.enrol(token) }
        #expect(error.category == .unavailable && error.description.contains("pinned"), "\(error)")
        #expect(
            try fixture.database.number(
                "SELECT count(*) FROM tapline_internal.enrolment_tokens WHERE used_at IS NOT NULL") == 0)
    }

    /// With the built programs.
    @Test func programEnrolsByTokenThenRenewsWithoutAGap() throws {
        let token = try token()
        let issued = try issue(token)
        let path = fixture.folder.file("scanner.env")
        try Files.create(path, Array("TAPLINE_READER=stdin\n".utf8), mode: 0o600)
        let enrolled = try Run.succeeding(
            "tapline-publisher", ["enrol", "--out", path], input: "rubbish\n\(token.text.lowercased())\n")
        #expect(enrolled.lines.first?.contains("enrolment of scanner gate-1") == true)
        #expect(Files.status(path)?.mode == 0o600)
        let lines = try Files.readText(path).split(separator: "\n").map(String.init)
        let url = try #require(issued.content.settings["AMQP_URL"])
        #expect(lines.contains("TAPLINE_READER=stdin") && lines.contains("TAPLINE_AMQP_URL=\(url)"), "\(lines)")
        #expect(lines.contains("TAPLINE_CENTER_CA_FILE=\(fixture.folder.file("ca.pem"))"), "\(lines)")

        let renew = ["renew", "--enrolment", path]
        let bearer = try fixture.bearer(issued)
        try eventually("the center knows the device") { try Run.it("tapline-publisher", renew).end == .exit(0) }
        let key = try #require(try fixture.store.deviceKey(of: fixture.id()))
        let new = try fixture.template().issue(fixture.id(), deviceKey: key)
        try fixture.store.startRotation(new, deviceKey: key)
        try eventually("the device has new credentials") {
            try Run.succeeding("tapline-publisher", renew).lines.first?.contains("new credentials;") == true
        }
        try eventually("the center knows that") { try fixture.store.rotation(of: fixture.id())?.isConfirmed == true }
        let text = try Files.readText(path)
        let newURL = try #require(new.content.settings["AMQP_URL"])
        // While the broker has either password, one of the two is right.
        #expect(text.contains("TAPLINE_AMQP_URL=\(newURL) \(url)\n"), "\(text)")
        let newBearer = try fixture.bearer(new)
        #expect(text.contains("TAPLINE_CENTER_TOKEN=\(newBearer)\n") && !text.contains(bearer))
    }

    @Test func postsOfOtherFormsAreRefused() throws {
        let client = RawHTTP(port: listener.port)
        #expect(try client.send("POST", "/enrol", ["Content-Length": "2"], body: "{}").status == 400)
        #expect(try client.send("POST", "/enrol", ["Content-Length": "0"]).status == 400)
        #expect(try client.send("PUT", "/enrol", ["Content-Length": "2"], body: "{}").status == 405)
        #expect(try client.send("POST", "/healthz", ["Content-Length": "2"], body: "{}").status == 405)
        #expect(try client.get("/enrol").status == 400)
        let large = String(repeating: "x", count: 4_096)
        #expect(try client.send("POST", "/enrol", ["Content-Length": "4096"], body: large).status == 0)
        #expect(try client.get("/enrolment").status == 401)
        #expect(try client.get("/enrolment", ["Authorization": "Bearer x"]).status == 401)
        #expect(try client.get("/healthz").status == 200)
    }
}
