import TestSupport
import Testing

@Suite struct ChildProcessTests {
    @Test func childProcessReadsWritesAndIsKilled() throws {
        let folder = TemporaryFolder()
        let child = try ChildProcess("cat", [], errors: folder.file("errors"))
        try child.write("one\ntwo\n")
        #expect(try child.line() == "one")
        #expect(try child.line() == "two")
        #expect(throws: TestFailure.self) { try child.line(withinMs: 20) }
        child.kill()
        #expect(try child.wait() == .signal(9))
        #expect(try child.line() == nil)
        #expect(throws: TestFailure.self) { try child.write("three\n") }
    }

    @Test func runReportsExitCodeAndOutput() throws {
        let run = try Run.it(
            "sh", ["-c", "cat; echo $WORD >&2; exit 3"], environment: ["WORD": "bad"], input: "a\nb\n")
        #expect(run.end == .exit(3))
        #expect(run.lines == ["a", "b"])
        #expect(run.errors == "bad\n")
        #expect(throws: TestFailure.self) { try Run.succeeding("false", []) }
        #expect(throws: (any Error).self) { try Run.it("no-such-program-anywhere", []) }
    }

    @Test func databasesAndVhostsAreSeparate() throws {
        let database = try TestDatabase()
        #expect(try database.query("SELECT 1, NULL, 'x' UNION ALL SELECT 2, 'y', ''") == ["1||x", "2|y|"])
        #expect(try database.number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0)
        let vhost = try TestVhost()
        #expect(try TestServers.command("rabbitmqctl", "-q", "list_vhosts").lines.contains(vhost.name))
    }
}
