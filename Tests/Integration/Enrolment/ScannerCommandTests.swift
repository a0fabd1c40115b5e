import AMQP
import Crypto
import Enrolment
import EnrolmentExchange
import FileSystem
import Postgres
import ScanModel
import TestSupport
import Testing

/// The commands for scanners with a real broker and database.
@Suite struct ScannerCommandTests {
    private let fixture: EnrolmentFixture
    private let vhost: TestVhost

    init() throws { (fixture, vhost) = (try EnrolmentFixture(), try TestVhost()) }

    private func management() throws -> [String] {
        [
            "--rabbitmq-management-url", try TestServers.managementURL(), "--rabbitmq-management-credential-file",
            try fixture.credentialFile(), "--rabbitmq-vhost", vhost.name,
        ]
    }

    private var out: String { fixture.folder.file("out") }

    private func broker() throws -> [String] {
        let address = try AMQPAddress(url: vhost.url)
        return ["--scanner-amqp-url", "amqp://\(address.host):\(address.port)/\(vhost.name)"]
    }

    private func output() throws -> [String] { try ["--enrolment-out", out] + broker() }

    private func run(_ words: [String], code: Int32 = 0) throws -> Run {
        let run = try Run.it("tapline-center", words + ["--database-url", fixture.database.url])
        guard run.end == .exit(code) else { throw TestFailure("\(words): \(run.end)\n\(run.errors)") }
        return run
    }

    private func remove(_ id: String) throws -> Run { try run(["scanner", "remove", id] + management()) }

    private func brokerURL(_ id: String) throws -> String { try setting("AMQP_URL", id) }

    /// A value of the enrolment file.
    private func setting(_ key: String, _ id: String) throws -> String {
        let lines = try Files.readText("\(out)/\(id).env").split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix("TAPLINE_\(key)=") })
        return String(line.dropFirst("TAPLINE_\(key)=".count))
    }

    @Test func addedScannerConnectsWithItsFileAndRemovedOneIsCutOff() throws {
        let id = "one-\(vhost.name)"
        let added = try run(["scanner", "add", id, "--gate", "Main", "--zone", "Hall"] + management() + output())
        #expect(added.lines.contains("enrolment files: 1 in \(out)"), "\(added.lines)")
        #expect(Files.status("\(out)/\(id).env")?.mode == 0o600)
        let url = try brokerURL(id)
        let connection = try AMQPConnection(try AMQPAddress(url: url), name: "scanner")

        // A repeated command keeps the credentials.
        let again = try run(["scanner", "add", id] + management() + output())
        #expect(
            again.lines.contains { $0.contains("enrolment files: 0") && $0.contains("keep them") }, "\(again.lines)")
        #expect(try brokerURL(id) == url)

        let removed = try remove(id)
        #expect(removed.lines.contains("its broker user is deleted, its connections are closed"), "\(removed.lines)")
        try expectClosed(connection)
        #expect(try fixture.database.number("SELECT count(*) FROM tapline_internal.scanner_access") == 0)
    }

    private func expectClosed(_ connection: AMQPConnection) throws {
        var isClosed = false
        try eventually("the connection is closed") {
            do {
                for case .connectionClosed in try connection.poll() { isClosed = true }
            } catch is AMQPError { isClosed = true }
            return isClosed
        }
    }

    /// A thief with a photographed token holds a connection with the former password.
    @Test func replacedEnrolmentClosesTheFormerConnection() throws {
        let id = "photo-\(vhost.name)"
        _ = try run(["scanner", "add", id] + management() + output())
        let former = try AMQPAddress(url: brokerURL(id))
        let connection = try AMQPConnection(former, name: "scanner")
        let authority = fixture.folder.file("ca")
        try Run.succeeding("tapline-center", ["ca", "init", "--out", authority])
        try Run.succeeding("tapline-center", ["ca", "issue", "localhost", "--ca", authority])
        let enrol =
            try ["scanner", "enrol", id, "--http-certificate-file", "\(authority)/localhost.pem"] + broker()
            + ["--scanner-center-url", "https://localhost:8443", "--replace"]
        let plain = try run(enrol)
        #expect(plain.lines.contains { $0.contains("rabbitmqctl delete_user \(id)") }, "\(plain.lines)")
        #expect(try connection.poll().isEmpty)
        #expect(plain.lines.last?.hasPrefix("valid for an hour") == true, "\(plain.lines)")
        _ = try run(["scanner", "void-scans", id, "--since", "2026-11-01T00:00:00Z"])
        let replaced = try run(enrol + management())
        let notice = "its scans that arrive from 2026-11-01T00:00:00Z on count nowhere"
        #expect(replaced.lines.last?.hasPrefix(notice) == true, "\(replaced.lines)")
        try expectClosed(connection)
        #expect(throws: AMQPError.self) { _ = try AMQPConnection(former, name: "scanner") }
        _ = try remove(id)
    }

    @Test func removalWithoutTheBrokerDisablesTheScanner() throws {
        let id = "away-\(vhost.name)"
        _ = try run(["scanner", "add", id] + management() + output())
        // The later option counts.
        let failed = try run(
            ["scanner", "remove", id] + management() + ["--rabbitmq-management-url", "http://127.0.0.1:1"], code: 69)
        #expect(failed.errors.contains("is disabled"), "\(failed.errors)")
        #expect(failed.errors.contains("repeat the command, or on a broker node: rabbitmqctl delete_user \(id)"))
        let rows = "FROM tapline.scanners s LEFT JOIN tapline_internal.scanner_access a ON a.scanner = s.id"
        #expect(
            try fixture.database.query("SELECT enabled, scanner IS NULL \(rows) WHERE id = '\(id)'") == ["f|t"])
        let removed = try remove(id)
        #expect(removed.lines.first == "scanner \(id) is removed", "\(removed.lines)")
        #expect(removed.lines.contains("its broker user is deleted, its connections are closed"))
    }

    @Test func userOfAGatewayStays() throws {
        let id = "gateway-\(vhost.name)"
        let user = "<<\"\(id)\">>"
        try TestServers.command(
            "evaluate",
            "rabbit_auth_backend_internal:add_user(\(user), <<\"password\">>, <<\"test\">>), "
                + "rabbit_auth_backend_internal:set_permissions(\(user), <<\"\(vhost.name)\">>, <<\"^$\">>, <<\".*\">>, "
                + "<<\"^$\">>, <<\"test\">>).")
        defer { _ = try? TestServers.command("rabbitmqctl", "-q", "delete_user", id) }
        let added = try run(["scanner", "add", id] + management() + output(), code: 78)
        #expect(added.errors.contains("other tags or permissions") && !Files.exists(out), "\(added.errors)")
        let removed = try run(["scanner", "remove", id] + management(), code: 78)
        #expect(removed.errors.contains("is disabled") && !removed.errors.contains("repeat the command"))
        #expect(try fixture.database.query("SELECT enabled FROM tapline.scanners WHERE id = '\(id)'") == ["f"])
        let address = try AMQPAddress(url: vhost.url)
        let url = "amqp://\(id):password@\(address.host):\(address.port)/\(vhost.name)"
        _ = try AMQPConnection(try AMQPAddress(url: url), name: "gateway")
    }

    @Test func rotationMakesNoUserOfARemovedScanner() throws {
        let id = "race-\(vhost.name)"
        _ = try run(["scanner", "add", id] + management() + output())
        let rotate = try ["scanner", "rotate", id, "--wait-s", "0"] + management() + broker()
        _ = try run(rotate, code: 1)
        try fixture.connection.execute("UPDATE tapline_internal.scanner_rotations SET confirmed_at = now()")
        let (settings, log) = (try EnrolmentFixture.management(vhost.name), fixture.folder.file("rotate.log"))
        let rotation = try fixture.store.changingBrokerUsers {
            let child = try ChildProcess(
                Package.program("tapline-center"), rotate + ["--database-url", fixture.database.url], errors: log)
            try eventually("the rotation waits", everyMs: 5) {
                try fixture.database.number(
                    """
                    SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                    WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted
                    """) == 1
            }
            // As `scanner remove`.
            #expect(try fixture.store.disable(fixture.id(id)))
            #expect(try BrokerManagement(settings).delete(fixture.id(id)))
            return child
        }
        #expect(try rotation.wait() == .exit(1))
        #expect(try Files.readText(log).contains("the rotation was ended by another command"))
        #expect(try BrokerManagement(settings).users(of: [fixture.id(id)]).isEmpty)
    }

    @Test func rotationChangesThePasswordWhenTheDeviceHasIt() throws {
        let id = "turn-\(vhost.name)"
        _ = try run(["scanner", "add", id] + management() + output())
        let rotate = try ["scanner", "rotate", id, "--wait-s", "0"] + management() + broker()
        let waiting = try run(rotate, code: 1)
        #expect(waiting.errors.contains("the former ones stay in force"), "\(waiting.errors)")
        let old = try AMQPAddress(url: brokerURL(id))
        _ = try AMQPConnection(old, name: "scanner")

        // The device decrypts the new file. The center learns it from the next request of the device.
        let key = try #require(Hex.decode(setting("DEVICE_KEY", id)))
        let row = try fixture.connection.query(
            "SELECT sealed FROM tapline_internal.scanner_rotations", [], binary: true)
        let json = try #require(SealedMessage.open(row.bytes(0, 0), with: key, purpose: EnrolmentRenewal.purpose))
        let new = try #require(EnrolmentContent(json: json)?.settings["AMQP_URL"])
        try fixture.connection.execute("UPDATE tapline_internal.scanner_rotations SET confirmed_at = now()")
        #expect(try run(rotate).lines.last?.contains("has new credentials") == true)
        _ = try AMQPConnection(try AMQPAddress(url: new), name: "scanner")
        #expect(throws: AMQPError.self) { _ = try AMQPConnection(old, name: "scanner") }
        _ = try remove(id)
    }

    @Test func fleetPublishesAsUsersOfItsEnrolmentFiles() throws {
        try UploadFixture.declare(vhost.url)
        let prefix = "fleet-\(vhost.name)"
        let ids = ["\(prefix)-0001", "\(prefix)-0002"]
        for id in ids { _ = try run(["scanner", "add", id] + management() + output()) }
        let fleet = try Run.it(
            "tapline-fleet",
            ["run", "--scanners", "2", "--scans", "100", "--prefix", prefix, "--enrolment-folder", out])
        #expect(fleet.end == .exit(0), "\(fleet.errors)")
        #expect(fleet.lines.last?.contains(#""complete":true"#) == true, "\(fleet.lines)")
        // The third scanner has no file.
        let refused = try Run.it(
            "tapline-fleet", ["run", "--scanners", "3", "--prefix", prefix, "--enrolment-folder", out, "--check"])
        #expect(refused.end == .exit(78) && refused.errors.contains("\(prefix)-0003.env"), "\(refused.errors)")
        for id in ids { _ = try remove(id) }
    }

    @Test func thousandScannersAreEnrolledByOneCommand() throws {
        let ids = (1...1_000).map { "g\($0)-\(vhost.name)" }
        let list = "id,gate,zone\n" + ids.map { "\($0),Main,Hall\n" }.joined()
        try Files.writeAtomically(Array(list.utf8), to: fixture.folder.file("list.csv"), durable: false)
        let added = try run(["scanner", "add", "--list", fixture.folder.file("list.csv")] + management() + output())
        #expect(added.lines.first?.hasPrefix("1000 scanners: 1000 enrolled") == true, "\(added.lines)")
        #expect(try Files.list(out).count == 1_000)
        #expect(try fixture.database.number("SELECT count(*) FROM tapline_internal.scanner_access") == 1_000)
        _ = try AMQPConnection(try AMQPAddress(url: brokerURL(ids[999])), name: "scanner")
        // Leaves no users in the broker that other tests share.
        let name = #"list_to_binary(["g", integer_to_list(N), "-\#(vhost.name)"])"#
        try TestServers.command(
            "evaluate",
            #"lists:foreach(fun(N) -> rabbit_auth_backend_internal:delete_user(\#(name), <<"test">>) end, "#
                + "lists:seq(1, 1000)).")
    }

    @Test func withoutManagementTheCommandsAndDefinitionsArePrinted() throws {
        let plain = try run(["scanner", "add", "gate-7"])
        #expect(try run(["scanner", "add", "gate-7"]).lines.count == 1)
        for word in [
            "rabbitmqctl add_user gate-7", #"set_permissions -p '/' gate-7 '^$' '^tapline\.scans$' '^$'"#,
            #"set_topic_permissions -p '/' gate-7 tapline.scans '^scan\.{username}$' '^$'"#,
            #"set_user_limits gate-7 '{"max-connections": 8, "max-channels": 8}'"#,
        ] {
            #expect(plain.lines.contains { $0.contains(word) }, "\(plain.lines)")
        }
        let withFile = try run(["scanner", "add", "gate-2"] + output())
        #expect(withFile.lines.contains { $0.contains("rabbitmqctl import_definitions \(out)/definitions.json") })
        #expect(withFile.lines.contains { $0.contains(#""name":"gate-2""#) }, "\(withFile.lines)")
        #expect(Files.status("\(out)/definitions.json")?.mode == 0o600)
    }

    @Test func statusAndListNameUsersThatNoScannerHas() throws {
        let id = "lost-\(vhost.name)"
        _ = try run(["scanner", "add", id] + management())
        defer { _ = try? TestServers.command("rabbitmqctl", "-q", "delete_user", id) }
        try fixture.connection.execute("DELETE FROM tapline.scanners WHERE id = '\(id)'")
        let text = "broker user \(id): no scanner has it"
        #expect(try run(["scanner", "list"] + management()).lines.contains(text))
        for known in [["--relay-user", id], ["--amqp-url", "amqp://\(id):x@127.0.0.1/"]] {
            #expect(try run(["scanner", "list"] + known + management()).lines.contains(text) == false)
        }
        let status = try Run.reporting(
            "tapline-center", ["status", "--all", "--database-url", fixture.database.url] + management())
        #expect(status.lines.contains { $0.hasPrefix("alarm") && $0.hasSuffix(text) }, "\(status.lines)")
    }

    @Test func typingErrorDeletesNoUserOfTheBroker() throws {
        let id = "typo-\(vhost.name)"
        try TestServers.command("rabbitmqctl", "-q", "add_user", id, "password")
        defer { _ = try? TestServers.command("rabbitmqctl", "-q", "delete_user", id) }
        let refused = try run(["scanner", "remove", id] + management(), code: 1)
        #expect(refused.errors.contains("there is no scanner"))
        _ = try TestServers.command("rabbitmqctl", "-q", "authenticate_user", id, "password")
    }

    /// A stolen scanner is stopped, whatever is wrong with the settings of the broker.
    @Test func wrongCredentialFileStillDisablesTheScanner() throws {
        let id = "stolen-\(vhost.name)"
        let options = try management()
        func enabled() throws -> Int {
            try fixture.database.number("SELECT count(*) FROM tapline.scanners WHERE enabled AND id = '\(id)'")
        }
        _ = try run(["scanner", "add", id])
        try Files.writeAtomically(Array("a:b".utf8), to: fixture.folder.file("credential"), mode: 0o644)
        _ = try run(["scanner", "remove", id, "--check"] + options, code: 78)
        #expect(try enabled() == 1)
        let failed = try run(["scanner", "remove", id] + options, code: 78)
        #expect(failed.errors.contains("scanner \(id) is disabled") && failed.errors.contains("chmod 600"))
        #expect(failed.errors.contains("rabbitmqctl delete_user \(id)"), "\(failed.errors)")
        #expect(try enabled() == 0)
    }

    @Test func credentialFileThatOthersReadIsRefused() throws {
        let options = try management()
        try Files.writeAtomically(Array("a:b".utf8), to: fixture.folder.file("credential"), mode: 0o644)
        let refused = try run(["scanner", "list"] + options, code: 78)
        #expect(refused.errors.contains("chmod 600"))
    }
}
