import FileSystem
import TestSupport
import Testing

@testable import CLI

/// Options that come with others, and files that hold keys.
struct CompanionOptionsTests {
    @Test func databaseCommandsHaveThePermissionFlag() {
        let command = Command("list", "test", options: [.database, .output]) { _ in {} }
        #expect(command.options.map(\.flag) == ["database-url", "insecure-database", "output"])
    }

    @Test func brokerCommandsHaveTheCertificateFlags() async throws {
        let seen = Recorder<Arguments>()
        let command = Command("run", "test", options: [.brokers]) { arguments in { seen.record(arguments) } }
        try await Program("program", "test", commands: [command]).run(
            ["run", "--amqp-url", "amqps://gate-1@broker", "--amqp-ca-file", "ca.pem"],
            environment: ["TAPLINE_AMQP_KEY_FILE": "gate-1.key", "TAPLINE_INSECURE_AMQP": "1"])
        let arguments = try #require(seen.all.first)
        #expect(arguments["amqp-ca-file"] == "ca.pem" && arguments["amqp-key-file"] == "gate-1.key")
        #expect(arguments["amqp-certificate-file"] == nil && arguments.has("insecure-amqp"))
    }

    @Test(arguments: [(0o600, true), (0o400, true), (0o640, true), (0o644, false), (0o604, false), (0o660, false)])
    func keyFileOthersCanReadIsRefused(mode: Int, isAccepted: Bool) throws {
        let folder = TemporaryFolder("key")
        let path = folder.file("server.key")
        try Files.writeAtomically([1], to: path, mode: UInt32(mode))
        // The group may read a file of root, as PostgreSQL permits it.
        let isRoot = Files.status(path)?.owner == 0
        let arguments = Arguments(values: ["http-key-file": [path]])
        if isAccepted && (isRoot || mode & 0o077 == 0) {
            #expect(try arguments.privateFile("http-key-file") == path)
        } else {
            let error = try #require(throws: ProgramError.self) { try arguments.privateFile("http-key-file") }
            #expect(error.code == .configuration && error.description.contains("chmod 600 \(path)"))
        }
    }

    @Test func missingFileIsNamed() throws {
        let arguments = Arguments(values: ["amqp-ca-file": ["/none.pem"]])
        let error = try #require(throws: ProgramError.self) { try arguments.existingFile("amqp-ca-file") }
        #expect(error.description == "--amqp-ca-file /none.pem: no such file" && error.code == .configuration)
        #expect(try arguments.existingFile("amqp-key-file") == nil)
    }
}
