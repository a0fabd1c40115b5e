import FileSystem
import TestSupport
import Testing

/// Tests what the log of `tapline-center run` says about addresses.
struct CenterStartTests {
    private let folder = TemporaryFolder("start")
    private let database: TestDatabase

    init() throws {
        database = try TestDatabase.migrated()
    }

    /// Starts a center and waits until its log has all words.
    private func logs(_ words: [String], http: String = "127.0.0.1:0", database url: String? = nil) throws {
        let log = folder.file("log")
        let center = try ChildProcess(
            Package.program("tapline-center"),
            [
                "run", "--amqp-url", "amqp://user:hunter-2@127.0.0.1:1/x", "--database-url", url ?? database.url,
                "--http", http, "--insecure-http",
            ], output: .null, errors: log)
        try eventually("\(words)") {
            let text = try Files.readText(log)
            return words.allSatisfy(text.contains)
        }
        #expect(!(try Files.readText(log)).contains("hunter"))
        center.kill()
    }

    @Test func loopbackAddressIsSaidToBeOutOfReach() throws {
        try logs(["reachable from this machine only", "other machines, such as scanners, cannot reach"])
    }

    @Test func addressOfAllInterfacesIsNamed() throws {
        try logs(["all addresses", "reachable from other machines"], http: ":0")
    }

    @Test func refusedBrokerIsNamedWithHostAndPort() throws {
        try logs(["broker connection lost", "127.0.0.1:1"])
    }

    @Test func refusedDatabaseIsNamedWithHostPortAndCause() throws {
        try logs(
            ["database unavailable, waiting for it", "127.0.0.1", "port 1 failed", "Connection refused"],
            database: "postgresql://x@127.0.0.1:1/x")
    }
}
