import ErrorModel
import FileSystem
import Glibc
import Postgres
import TestSupport
import Testing

/// Connections to other machines that programs refuse unless a flag permits them.
@Suite struct ProtectionTests {
    private let folder = TemporaryFolder("protection")
    private static let database = "postgresql://tapline:hush@db.example/tapline"

    @Test(
        arguments: [
            "postgresql:///tapline", "postgresql://tapline@localhost/tapline", "postgresql://127.0.0.1:5433/tapline",
            "postgresql://[::1]/tapline", "postgresql:///tapline?host=/run/postgresql", "host=/run/postgresql dbname=a",
            "postgresql://a@127.0.0.1,localhost/tapline", "postgresql://db.example/tapline?sslmode=verify-full",
            "host=db.example sslmode=verify-full", "postgresql://db1,db2:5433/tapline?sslmode=verify-full",
            "postgresql://db.example/tapline?hostaddr=127.0.0.1",
        ])
    func protectedOrLocalDatabaseIsAccepted(url: String) throws {
        try PostgresConnection.requireProtection(url: url)
    }

    @Test(
        arguments: [
            "postgresql://db.example/tapline", "postgresql://10.0.0.5/tapline", "postgresql://[2001:db8::1]/tapline",
            "postgresql://db.example/tapline?sslmode=require", "postgresql://db.example/tapline?sslmode=verify-ca",
            "postgresql://db.example/tapline?sslmode=disable", "postgresql://localhost,db.example/tapline",
            "host=db.example dbname=tapline", "postgresql://localhost/tapline?hostaddr=10.0.0.5",
            "postgresql:///tapline?host=db.example", "postgresql:///tapline?service=event",
        ])
    func unverifiedDatabaseOnAnotherMachineIsRefused(url: String) throws {
        let error = try #require(throws: PostgresError.self) { try PostgresConnection.requireProtection(url: url) }
        #expect(error.code == .insecure && error.category == .configuration)
        #expect(error.message.contains("sslmode=verify-full"))
    }

    @Test func invalidDatabaseURLIsStillInvalid() throws {
        let error = try #require(throws: PostgresError.self) {
            try PostgresConnection.requireProtection(url: "postgresql://u:hush@[::1")
        }
        #expect(error.code == .misuse)
    }

    /// Returns the exit code and the message of a check of settings.
    private func check(
        _ program: String, _ arguments: [String], _ environment: [String: String] = [:]
    ) throws -> (end: ChildProcess.End, message: String) {
        let run = try Run.it(program, arguments + ["--check"], environment: environment)
        #expect(!run.errors.contains("hush"), "a password is in the message")
        return (run.end, run.errors)
    }

    private func expect(
        refusedWith flag: String, _ program: String, _ arguments: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let refused = try check(program, arguments)
        #expect(
            refused.end == .exit(78) && refused.message.contains("--\(flag) permits it"), "\(refused)",
            sourceLocation: sourceLocation)
        let variable = "TAPLINE_" + flag.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
        for permitted in [
            try check(program, arguments + ["--\(flag)"]), try check(program, arguments, [variable: "1"]),
        ] {
            #expect(permitted.end == .exit(0), "\(permitted)", sourceLocation: sourceLocation)
        }
    }

    @Test func programsRefuseUnprotectedBrokers() throws {
        let scanner = ["--data", folder.path, "--scanner", "gate-1"]
        for url in [
            "amqp://gate-1:hush@broker.example", "amqps://guest:hush@broker.example",
            "amqps://gate-1:hush@broker.example/?verify=verify_none",
        ] {
            let broker = ["--amqp-url", url]
            try expect(refusedWith: "insecure-amqp", "tapline-publisher", ["run"] + scanner + broker)
            try expect(refusedWith: "insecure-amqp", "tapline-publisher", ["ship"] + scanner + broker)
            try expect(
                refusedWith: "insecure-amqp", "tapline-center",
                ["run", "--database-url", "postgresql://tapline:hush@localhost/tapline"] + broker)
            try expect(refusedWith: "insecure-amqp", "tapline-fleet", ["run"] + broker)
        }
        let number = try check("tapline-publisher", ["run"] + scanner + ["--amqp-url", "amqps://gate-1:hush@10.0.0.5"])
        #expect(number.end == .exit(78) && number.message.contains("IP address"))
    }

    @Test func programsRefuseUnverifiedDatabases() throws {
        let database = ["--database-url", Self.database]
        try expect(refusedWith: "insecure-database", "tapline-center", ["migrate"] + database)
        try expect(refusedWith: "insecure-database", "tapline-center", ["zone", "list"] + database)
        try expect(
            refusedWith: "insecure-database", "tapline-center",
            ["run", "--amqp-url", "amqp://localhost"] + database)
        try Run.succeeding("tapline-snapshot", ["keygen", "--out", folder.file("signing")])
        try expect(
            refusedWith: "insecure-database", "tapline-snapshot",
            ["export", "--out", folder.file("out"), "--signing-key", folder.file("signing.key")] + database)
    }

    @Test func centerRefusesPlainHTTPForOtherMachines() throws {
        let run = ["run", "--amqp-url", "amqp://localhost", "--database-url", "postgresql://localhost/tapline"]
        for address in ["0.0.0.0:8080", ":8080", "[::]:8080", "10.0.0.5:8080"] {
            try expect(refusedWith: "insecure-http", "tapline-center", run + ["--http", address])
        }
        #expect(try check("tapline-center", run + ["--http", "[::1]:0"]).end == .exit(0))
        try makeAuthority(issuing: ["center", "--dns", "localhost"], ["other"])
        let files = ["--http-certificate-file", folder.file("ca/center.pem"), "--http-key-file"]
        let open = run + ["--http", "0.0.0.0:8080"] + files
        #expect(try check("tapline-center", open + [folder.file("ca/center.key")]).end == .exit(0))
        let mixed = try check("tapline-center", open + [folder.file("ca/other.key")])
        #expect(mixed.end == .exit(78) && mixed.message.contains("not the private key"))
        #expect(try check("tapline-center", run + files.dropLast()).message.contains("need each other"))
        try Files.writeAtomically(
            try Files.read(folder.file("ca/center.key")), to: folder.file("open.key"), mode: 0o644)
        let readable = try check("tapline-center", open + [folder.file("open.key")])
        #expect(readable.end == .exit(78) && readable.message.contains("chmod 600"))
    }

    private func makeAuthority(issuing certificates: [String]...) throws {
        try Run.succeeding("tapline-center", ["ca", "init", "--out", folder.file("ca"), "--name", "Test site"])
        for arguments in certificates {
            try Run.succeeding("tapline-center", ["ca", "issue"] + arguments + ["--ca", folder.file("ca")])
        }
    }

    @Test func authorityKeepsItsKeyAndRenewsCertificates() throws {
        try makeAuthority(issuing: ["center.example"], ["gate-1", "--client"])
        for name in ["ca.key", "center.example.key", "gate-1.key"] {
            #expect(Files.status(folder.file("ca/\(name)"))?.mode == 0o600, "\(name)")
        }
        let key = try Files.read(folder.file("ca/ca.key"))
        let again = try Run.it("tapline-center", ["ca", "init", "--out", folder.file("ca")])
        #expect(again.end == .exit(78) && again.errors.contains("never overwritten"))
        #expect(try Files.read(folder.file("ca/ca.key")) == key)

        let former = try Files.read(folder.file("ca/center.example.pem"))
        let issue = ["ca", "issue", "center.example", "--ca", folder.file("ca")]
        let second = try Run.it("tapline-center", issue)
        #expect(second.end == .exit(78) && second.errors.contains("--replace"))
        chmod(folder.file("ca/ca.key"), 0o644)
        let exposed = try Run.it("tapline-center", issue + ["--replace"])
        #expect(exposed.end == .exit(78), "\(exposed.errors)")
        #expect(exposed.errors.contains("ca.key: other users have access"), "\(exposed.errors)")
        chmod(folder.file("ca/ca.key"), 0o600)
        try Run.succeeding("tapline-center", issue + ["--replace"])
        #expect(try Files.read(folder.file("ca/center.example.pem")) != former)
        try Run.succeeding(
            "openssl",
            [
                "verify", "-CAfile", folder.file("ca/ca.pem"), "-purpose", "sslserver", "-verify_hostname",
                "center.example",
                folder.file("ca/center.example.pem"),
            ])
        try Run.succeeding(
            "openssl",
            ["verify", "-CAfile", folder.file("ca/ca.pem"), "-purpose", "sslclient", folder.file("ca/gate-1.pem")])
    }

    @Test(arguments: [
        ["../x"], ["ca"], [".x"], ["a/b"], ["a b"], ["gate-1", "--client", "--dns", "a"], [""],
    ])
    func invalidNameIsUsageError(arguments: [String]) throws {
        let run = try Run.it("tapline-center", ["ca", "issue"] + arguments + ["--ca", folder.path])
        #expect(run.end == .exit(64), "\(run.errors)")
    }

    @Test func folderWithoutAuthorityIsNamed() throws {
        let run = try Run.it("tapline-center", ["ca", "issue", "center", "--ca", folder.path])
        #expect(run.end == .exit(78) && run.errors.contains("ca init"))
    }
}
