import LinuxSystem
import Runtime
import TestSupport
import Testing

/// Changes of the registry reach the running gates within a minute.
@Suite struct RegistryChangeTests {
    /// The promised minute without the 30 s of the default polling interval. The scanner of this test polls every
    /// second.
    static let limitMs = 30_000

    @Test func runningGateAppliesRevocationAndNewTag() async throws {
        try await NamedThread.run("registry changes") {
            let vhost = try TestVhost()
            let line = try SystemUnderTest(databaseURL: try TestServers.databaseURL(), amqpURL: vhost.url)
            let scanner = try line.enrol("main-1", gate: "Main", zone: "Hall")
            try line.importing("uid,name,category,zones\n04a1b2c3d4e5f6,Early Bird,guest,Hall\n")
            try line.export()
            try verifyWithMinisign(line)
            try scanner.fetch()
            let first = scanner.snapshotVersion()
            try line.startCenter(["--snapshot-at", "03:00", "--signing-key", line.signingKeyFile])
            try scanner.startPublisher()
            try scanner.startGate(output: .lines)
            #expect(try tap(scanner, "04a1b2c3d4e5f6").name == "admitted")
            let stranger = try tap(scanner, "04ffffffffffff")
            #expect(stranger.name == "unknown")

            // One change by a command, one by plain SQL.
            let changedMs = SystemClock.monotonicMs()
            try line.importing("uid,name,category,zones\n04ffffffffffff,Late Comer,guest,Hall\n")
            try line.database.query("UPDATE tapline.attendees SET status = 'blocked' WHERE name = 'Early Bird'")
            var seq = stranger.seq
            func taps(_ uid: String, until name: String) throws {
                try eventually("the running gate prints \(name)", withinMs: RegistryChangeTests.limitMs, everyMs: 200) {
                    let verdict = try tap(scanner, uid)
                    seq += 1
                    guard verdict.log == stranger.log, verdict.seq == seq else {
                        throw TestFailure("a tap was lost: \(verdict) after seq \(seq - 1)")
                    }
                    return verdict.name == name
                }
            }
            try taps("04ffffffffffff", until: "admitted")
            try taps("04a1b2c3d4e5f6", until: "blocked")
            #expect(SystemClock.monotonicMs() - changedMs < Int64(RegistryChangeTests.limitMs))
            #expect(scanner.snapshotVersion() > first)
            try verifyWithMinisign(line)
            scanner.gate?.closeInput()
            #expect(try scanner.gate?.wait() == .exit(0))
            try line.awaitAllStored()
            let unknown = try line.database.query(
                "SELECT DISTINCT snapshot_version FROM tapline.scans EXCEPT SELECT version FROM tapline.snapshots")
            #expect(unknown.isEmpty)
            // Each change is published once, although the center polls often.
            #expect(try line.database.number("SELECT count(*) FROM tapline.snapshots") <= 3)
        }
    }

    private func tap(_ scanner: Scanner, _ uid: String) throws -> PrintedVerdict {
        try scanner.gate?.write(uid + "\n")
        guard let line = try scanner.gate?.line() else {
            throw TestFailure("the gate ended: \(scanner.gate?.errorTail() ?? "")")
        }
        return try PrintedVerdict(line)
    }

    /// Verifies the manifest with the minisign of Debian.
    private func verifyWithMinisign(_ line: SystemUnderTest) throws {
        try Run.succeeding(
            "minisign", ["-V", "-q", "-p", line.trustKeyFile, "-m", line.snapshots + "/manifest.json"])
    }
}
