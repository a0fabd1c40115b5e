import AMQP
import FileSystem
import HTTPServer
import Ingest
import Postgres
import Runtime
import TestSupport
import Testing

/// Tests that `doctor` names each fault and what to do. Each fault is made for real.
struct DoctorTests {
    private let fixture: IngestFixture
    private let folder = TemporaryFolder("doctor")

    init() throws { fixture = try IngestFixture() }

    private func doctor(_ arguments: String..., url: String? = nil) throws -> Run {
        try Run.it("tapline-center", ["doctor", "--database-url", url ?? fixture.url] + arguments)
    }

    /// The text of a check, with what was looked at and what is to do, as one line.
    private func check(_ name: String, _ run: Run) throws -> String {
        let start = try #require(run.lines.firstIndex { $0.dropFirst(6).hasPrefix(name + " ") }, "\(run.lines)")
        let more = run.lines[(start + 1)...].prefix { $0.hasPrefix("      ") }
        return ([run.lines[start]] + more).map { $0.split(separator: " ").joined(separator: " ") }.joined(
            separator: " ")
    }

    private func expect(_ name: String, _ state: String, _ words: String..., in run: Run) throws {
        let text = try check(name, run)
        #expect(text.hasPrefix("\(state) \(name) "), "\(text)")
        for word in words { #expect(text.contains(word), "\(word) is not in \(text)") }
        #expect(run.end == .exit(["WARN", "FAIL"].contains(state) ? 1 : run.end == .exit(0) ? 0 : 1))
    }

    @Test func checksThatAreNotGivenAreNamed() throws {
        let run = try doctor()
        for (name, flag) in [
            ("broker", "--amqp-url"), ("certificate", "--http-certificate-file"), ("snapshot disk", "--snapshots"),
            ("signing key", "--signing-key"), ("event key", "--event-key-file"),
        ] { try expect(name, "-", "not looked at: give \(flag)", in: run) }
        try expect("schema", "ok", "of this release", in: run)
        try expect("clock", "ok", " ms ", in: run)
        // What was not looked at is no part of the checks that were made.
        let made = run.lines.count { ["ok", "WARN", "FAIL"].contains(String($0.prefix { $0 != " " })) }
        let end = try #require(run.lines.firstIndex { $0.hasPrefix("\(made) checks: ") }, "\(run.lines)")
        #expect(
            run.lines[end...].joined(separator: " ").hasSuffix(
                "not made: broker, certificate, snapshot disk, signing key, event key"), "\(run.lines)")
        #expect(run.lines.allSatisfy { $0.count <= 100 }, "\(run.lines)")
        let json = try doctor("--output", "json")
        #expect(json.lines.count == 1 && json.lines[0].contains(#""name":"schema""#), "\(json.lines)")
    }

    @Test func unreachableDatabaseHidesNoOtherCheck() throws {
        let run = try doctor("--snapshots", folder.path, url: "postgresql://127.0.0.1:1/none")
        try expect("database", "FAIL", "do: start PostgreSQL", in: run)
        #expect(try check("snapshot disk", run).contains("the disk is"))
        for name in ["schema", "event", "snapshot", "devices"] {
            try expect(name, "-", "the database cannot be reached", in: run)
        }
    }

    /// The broker and the key are judged by what can be seen of them. Nothing is said that needs the database.
    @Test func unreachableDatabaseGivesNoUntrueSentence() throws {
        let vhost = try TestVhost()
        let settings = IngestSettings(
            brokers: [try AMQPAddress(url: vhost.url)], databaseURL: fixture.database.url, shards: 2)
        try BrokerWatch(settings, metrics: Metrics()).check()
        let connection = try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test")
        try connection.publish(
            exchange: "tapline.dead", routingKey: "", mandatory: true, properties: AMQPProperties(), body: [1])
        try eventually("the dead letter is in its queue") {
            try connection.declareQueue("tapline.dead", passive: true).messages == 1
        }
        try Files.writeAtomically([UInt8](1...32), to: folder.file("event"), mode: 0o600)
        let json = #"{"operator_policy":null,"policy":"company","effective_policy_definition":{"message-ttl":60000}}"#
        let server = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { _ in .text(json) }
        defer { server.stop() }
        let run = try doctor(
            "--amqp-url", vhost.url, "--management-port", "\(server.port)", "--event-key-file", folder.file("event"),
            url: "postgresql://127.0.0.1:1/none")
        #expect(run.end == .exit(1))
        try expect("broker", "ok", "RabbitMQ", in: run)
        try expect("topology", "-", "the database, which knows the number of queues, does not tell it", in: run)
        try expect("policies", "FAIL", "message-ttl 60000 ms", in: run)
        try expect("dead letters", "FAIL", "1 messages", in: run)
        try expect("event key", "-", "the database does not tell the key of the event", in: run)
        #expect(!run.lines.contains { $0.contains("no center has started") || $0.contains("nothing is wrong") })
    }

    @Test func scannersThatAreNotHeardAreNotWell() throws {
        try expect("devices", "WARN", "the state of 4 is not known: s-1, s-2, s-3, s-4", in: doctor())
        try fixture.connection.execute("UPDATE tapline.scanners SET enabled = false")
        try expect("devices", "ok", "0 enabled scanners", in: doctor())
    }

    @Test func brokerThatWasNeverCheckedIsNotWell() throws {
        try fixture.connection.execute(
            """
            INSERT INTO tapline.event (name) VALUES ('E');
            INSERT INTO tapline_internal.centers (name, alive_at, listened_at, listening_since)
                VALUES ('1/1', now() + interval '1 hour', now() + interval '1 hour', now() - interval '5 minutes')
            """)
        try expect("center", "WARN", "has never checked the broker", in: doctor())
        try fixture.connection.execute("INSERT INTO tapline_internal.broker_check DEFAULT VALUES")
        try expect("center", "ok", "a center is running", in: doctor())
    }

    @Test func faultsOfTheDatabaseAreNamed() throws {
        let name = fixture.database.name
        try fixture.connection.execute(
            """
            ALTER DATABASE "\(name)" SET synchronous_commit = off;
            INSERT INTO tapline.snapshots VALUES (5, now() - interval '3 days', now() - interval '1 hour', 1, 1,
                repeat('ab', 32), 'x', NULL, now());
            INSERT INTO tapline.journals (log, scanner_id, clock_skew) VALUES (gen_random_uuid(), 's-1', '1 hour')
            """)
        let run = try doctor()
        try expect("settings", "FAIL", "synchronous_commit off", "ALTER SYSTEM SET synchronous_commit = 'on'", in: run)
        try expect("event", "FAIL", "no name", "do: tapline-center event set --name", in: run)
        try expect("center", "FAIL", "do: start `tapline-center run`", in: run)
        try expect("snapshot", "FAIL", "version 5", "expired", "do: publish a new one", in: run)
        try expect("devices", "FAIL", "the clocks of 1 are wrong: s-1", in: run)
        try expect("rights", "WARN", "superuser", in: run)
    }

    /// A database whose clock is 10 minutes ahead.
    @Test func skewedClockIsAFault() throws {
        try fixture.connection.execute(
            """
            CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
                $$ SELECT pg_catalog.clock_timestamp() + interval '10 minutes' $$;
            ALTER DATABASE "\(fixture.database.name)" SET search_path = public, pg_catalog
            """)
        try expect("clock", "FAIL", "ms ahead", "do: start a time service", in: doctor())
    }

    @Test func schemaOfAnotherReleaseIsAFault() throws {
        try fixture.connection.execute(
            "DELETE FROM tapline.schema_migrations WHERE version = (SELECT max(version) FROM tapline.schema_migrations)"
        )
        let run = try doctor()
        try expect("schema", "FAIL", "do: run `tapline-center migrate`", in: run)
        try expect("rights", "-", "the schema is not that of this release", in: run)
    }

    @Test func missingRightsAreNamed() throws {
        let run = try doctor(url: fixture.database.url(as: "tapline_export"))
        try expect("rights", "FAIL", "lacks rights of the role tapline_center", "do: as the owner: GRANT", in: run)
    }

    @Test func brokerIsCheckedWithItsPolicies() throws {
        let vhost = try TestVhost()
        func run(port: Int) throws -> Run { try doctor("--amqp-url", vhost.url, "--management-port", "\(port)") }
        let closed = Int(try FaultProxy.freePort())
        try expect("topology", "-", "no center has started yet", in: run(port: closed))
        let settings = IngestSettings(
            brokers: [try AMQPAddress(url: vhost.url)], databaseURL: fixture.database.url, shards: 2)
        try BrokerWatch(settings, metrics: Metrics()).check()
        let well = try run(port: closed)
        try expect("broker", "ok", "RabbitMQ", in: well)
        try expect("topology", "ok", "4 queues", "0 batches wait", in: well)
        try expect("policies", "-", "rabbitmq_management", in: well)
        try expect("dead letters", "ok", "none", in: well)
        // The response of RabbitMQ 3.10.
        let json = #"{"operator_policy":null,"policy":"company","effective_policy_definition":{"message-ttl":60000}}"#
        let server = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { _ in .text(json) }
        defer { server.stop() }
        let wrong = try run(port: Int(server.port))
        try expect("policies", "FAIL", "policy company: message-ttl 60000 ms", "do: change its pattern", in: wrong)
        let connection = try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test")
        try connection.deleteQueue("tapline.scans.1")
        try connection.publish(
            exchange: "tapline.dead", routingKey: "", mandatory: true, properties: AMQPProperties(), body: [1])
        try eventually("the dead letter is in its queue") {
            try connection.declareQueue("tapline.dead", passive: true).messages == 1
        }
        let lost = try run(port: closed)
        try expect("topology", "FAIL", "missing: tapline.scans.1", "do: restart a center", in: lost)
        try expect("dead letters", "FAIL", "1 messages", in: lost)
        let away = try doctor("--amqp-url", "amqp://a:b@127.0.0.1:1/")
        try expect("broker", "FAIL", "do: start RabbitMQ", in: away)
    }

    @Test func fullDiskIsAFault() throws {
        let disk = try SmallDisk(.tmpfs, megabytes: 1)
        let empty = try doctor("--snapshots", disk.path)
        #expect(try check("snapshot disk", empty).hasPrefix("ok "))
        try Files.writeAtomically([UInt8](repeating: 0, count: 1_030_000), to: disk.path + "/filler")
        try expect("snapshot disk", "FAIL", "do: free some space", in: doctor("--snapshots", disk.path))
    }

    private func openssl(_ arguments: String) throws {
        let run = try Run.it("openssl", arguments.split(separator: " ").map(String.init))
        try #require(run.end == .exit(0), "\(run.errors)")
    }

    @Test func certificatesAndKeysAreJudged() throws {
        let (key, request) = (folder.file("key"), folder.file("request"))
        let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
        try openssl("req -new \(curve) -keyout \(key) -out \(request)")
        try Files.writeAtomically(Array("".utf8), to: folder.file("index"))
        try Files.writeAtomically(Array("01\n".utf8), to: folder.file("serial"))
        let settings = """
            [ca]\ndefault_ca=c\n[c]\ndatabase=\(folder.file("index"))\nserial=\(folder.file("serial"))
            new_certs_dir=\(folder.path)\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n
            """
        try Files.writeAtomically(Array(settings.utf8), to: folder.file("ca"))
        func sign(_ name: String, _ until: String) throws -> String {
            let path = folder.file(name)
            try openssl(
                "ca -batch -notext -selfsign -config \(folder.file("ca")) -keyfile \(key) -in \(request) -startdate "
                    + "20200101000000Z -enddate \(until) -out \(path)")
            return path
        }
        func run(_ certificate: String) throws -> Run {
            try doctor("--http-certificate-file", certificate, "--http-key-file", key)
        }
        try expect("certificate", "FAIL", "expired", "do: renew", in: run(sign("old", "20210101000000Z")))
        try expect("certificate", "ok", "valid for", in: run(sign("new", "20991231000000Z")))
        try openssl("req -x509 \(curve) -days 3 -keyout \(folder.file("other")) -out \(folder.file("soon"))")
        try expect("certificate", "FAIL", "not the private key", in: run(folder.file("soon")))
        let soon = try doctor(
            "--http-certificate-file", folder.file("soon"), "--http-key-file", folder.file("other"))
        try expect("certificate", "WARN", "valid for ", in: soon)
        // A key of another event, which other users can read.
        try Files.writeAtomically([UInt8](repeating: 7, count: 32), to: folder.file("event"), mode: 0o644)
        try expect("event key", "FAIL", "chmod 600", in: doctor("--event-key-file", folder.file("event")))
        try Files.writeAtomically([UInt8](repeating: 7, count: 32), to: folder.file("event"), mode: 0o600)
        try fixture.connection.execute(
            "INSERT INTO tapline.event (name, key_fingerprint) VALUES ('E', repeat('ab', 8))")
        let event = try doctor("--event-key-file", folder.file("event"))
        try expect("event key", "FAIL", "the event has abababababababab", in: event)
        try expect("signing key", "FAIL", "no such file", in: doctor("--signing-key", folder.file("none")))
    }
}
