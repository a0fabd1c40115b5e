import AMQP
import FileSystem
import Postgres
import TestSupport
import Testing

/// A broker, a database and a center with certificates of `tapline-center ca`.
@Suite struct TLSServersTests {
    private let folder = TemporaryFolder("tls")
    private var authority: String { folder.file("ca/ca.pem") }

    /// Issues certificates, each given by the arguments of `ca issue`.
    private func issue(_ certificates: [String]...) throws {
        try Run.succeeding("tapline-center", ["ca", "init", "--out", folder.file("ca")])
        for arguments in certificates {
            try Run.succeeding("tapline-center", ["ca", "issue"] + arguments + ["--ca", folder.file("ca")])
        }
    }

    private func port(_ url: String) -> Substring { url.split(separator: ":")[3].prefix { $0 != "/" } }

    @Test func certificatesProtectBrokerAndDatabase() throws {
        try issue(["localhost"], ["gate-1", "--client"], ["stranger", "--client"])
        try Run.succeeding("tapline-center", ["ca", "init", "--out", folder.file("other")])
        let servers = try OwnServers(certificates: folder.file("ca"))
        try brokerVerifies(servers)
        try certificateLogsIn(servers)
        try databaseVerifies(servers)
        try centerServesTLS(servers)
    }

    private func brokerVerifies(_ servers: OwnServers) throws {
        func connect(_ authorityFile: String?) throws(AMQPError) {
            let address = try AMQPAddress(
                url: servers.amqpsURL, security: AMQPSecurity(authorityFile: authorityFile))
            try AMQPConnection(address, name: "test").declareQueue("test.tls")
        }
        try connect(authority)
        for other in [nil, folder.file("other/ca.pem")] {
            let error = try #require(throws: AMQPError.self) { try connect(other) }
            #expect(error.kind == .unreachable && error.detail.contains("verification failed"), "\(error)")
        }
        // A broker with a certificate of the same authority for another host.
        try Run.succeeding(
            "tapline-center", ["ca", "issue", "elsewhere", "--dns", "broker.example", "--ca", folder.file("ca")])
        let script = """
            import socket, ssl, sys
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(sys.argv[1], sys.argv[2])
            listener = socket.create_server(("127.0.0.1", 0))
            print(listener.getsockname()[1], flush=True)
            while True:
                client, _ = listener.accept()
                try: context.wrap_socket(client, server_side=True).recv(8)
                except OSError: pass
            """
        let imposter = try ChildProcess(
            "python3", ["-c", script, folder.file("ca/elsewhere.pem"), folder.file("ca/elsewhere.key")],
            errors: folder.file("python.log"))
        let port = try #require(try imposter.line())
        let error = try #require(throws: AMQPError.self) {
            let security = AMQPSecurity(authorityFile: authority)
            _ = try AMQPConnection(
                AMQPAddress(url: "amqps://tapline:x@localhost:\(port)", security: security), name: "test")
        }
        #expect(error.kind == .unreachable && error.detail.contains("hostname"), "\(error)")
    }

    /// SASL EXTERNAL: the user is the common name of the certificate, and there is no password.
    private func certificateLogsIn(_ servers: OwnServers) throws {
        try servers.command("rabbitmqctl", "-q", "add_user", "gate-1", TestServers.randomPassword())
        try servers.command("rabbitmqctl", "-q", "clear_password", "gate-1")
        try servers.command("rabbitmqctl", "-q", "set_permissions", "gate-1", "^$", "^tapline\\.scans$", "^$")
        func login(_ certificate: String, _ key: String? = nil) throws(AMQPError) -> AMQPConnection {
            let security = AMQPSecurity(
                authorityFile: authority, certificateFile: folder.file("ca/\(certificate).pem"),
                keyFile: folder.file("ca/\(key ?? certificate).key"))
            let url = "amqps://\(certificate)@localhost:\(port(servers.amqpsURL))"
            return try AMQPConnection(AMQPAddress(url: url, security: security), name: "test")
        }
        let connection = try login("gate-1")
        let error = try #require(throws: AMQPError.self) { try connection.declareQueue("test.own") }
        #expect(error.replyCode == 403, "the permissions of the user do not apply: \(error)")
        // The broker has no such user.
        #expect(throws: AMQPError.self) { try login("stranger") }
        // The key of another certificate.
        #expect(throws: AMQPError.self) { try login("gate-1", "stranger") }
    }

    private func databaseVerifies(_ servers: OwnServers) throws {
        let url = servers.databaseURL.replacing("@127.0.0.1", with: "@localhost") + "?sslmode=verify-full&sslrootcert="
        let connection = try PostgresConnection(url: url + authority, applicationName: "test")
        #expect(try connection.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").text(0, 0) == "t")
        #expect(throws: PostgresError.self) {
            try PostgresConnection(url: url + folder.file("other/ca.pem"), applicationName: "test")
        }
        // The certificate is for the name, not for the number.
        #expect(throws: PostgresError.self) {
            try PostgresConnection(
                url: servers.databaseURL + "?sslmode=verify-full&sslrootcert=" + authority, applicationName: "test")
        }
    }

    /// The center with TLS on all three connections.
    private func centerServesTLS(_ servers: OwnServers) throws {
        let database =
            servers.databaseURL.replacing("@127.0.0.1", with: "@localhost")
            + "?sslmode=verify-full&sslrootcert=" + authority
        try Run.succeeding("tapline-center", ["migrate", "--database-url", database])
        let log = folder.file("center.log")
        let center = try ChildProcess(
            Package.program("tapline-center"),
            [
                "run", "--amqp-url", servers.amqpsURL, "--amqp-ca-file", authority, "--database-url", database,
                "--http",
                "127.0.0.1:0", "--http-certificate-file", folder.file("ca/localhost.pem"), "--http-key-file",
                folder.file("ca/localhost.key"), "--snapshots", folder.file("published"),
            ], output: .null, errors: log)
        var port = ""
        try eventually("the center listens") {
            if let end = center.end { throw TestFailure("the center ended: \(end)\(center.errorTail())") }
            let line = try Files.readText(log).split(separator: "\n").first { $0.contains(#""message":"listening""#) }
            port = line?.split(separator: #""port":""#).last.map { String($0.prefix { $0 != "\"" }) } ?? ""
            return !port.isEmpty
        }
        func get(_ path: String, _ options: [String] = []) throws -> [String]? {
            let arguments = ["-sS", "-m", "20", "--cacert", authority] + options
            let run = try Run.it("curl", arguments + ["https://localhost:\(port)\(path)"])
            return run.end == .exit(0) ? run.lines : nil
        }
        try eventually("the center is ready") { try get("/readyz") == ["ready"] }
        #expect(
            try get("/snapshot/manifest.json", ["-H", "X-Forwarded-For: 192.0.2.7"]) == ["401: a token is required"])
        #expect(try center.stop() == .exit(0))
    }
}
