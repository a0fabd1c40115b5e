import Runtime
import Support
import Testing

/// The way back: what the center knows today is what the gates decide from tomorrow.
@Suite struct NightTests {
    @Test func theNightlySnapshotReachesARunningGateBetweenTwoTaps() async throws {
        try await PlainThread.run("night") {
            let vhost = try TestVhost()
            let line = try Line(databaseURL: try TestServers.databaseURL(), amqpURL: vhost.url)
            let scanner = try line.enrol("main-1", gate: "Main", zone: "Hall")
            try line.importing("uid,name,category,zones\n04a1b2c3d4e5f6,Early Bird,guest,Hall\n")
            try line.export()
            try verifyWithMinisign(line)
            try scanner.fetch()
            let first = scanner.snapshotVersion()
            // The first whole minute at least 20 s ahead, in the event's time zone, which is UTC here.
            let minute: Int64 = 60_000_000
            let at = UTCTime.text(microseconds: ((SystemClock.nowMicroseconds() + minute / 3) / minute + 1) * minute)
            try line.startCenter([
                "--snapshot-at", String(at.dropFirst(11).prefix(5)), "--signing-key", line.signingKeyFile,
            ])
            try scanner.startPublisher()
            try scanner.startGate(output: .lines)
            #expect(try tap(scanner, "04a1b2c3d4e5f6").name == "admitted")
            let stranger = try tap(scanner, "04ffffffffffff")
            #expect(stranger.name == "unknown")

            try line.importing("uid,name,category,zones\n04ffffffffffff,Late Comer,guest,Hall\n")
            var seq = stranger.seq
            try eventually("the running gate admits who was imported today", withinMs: 180_000, everyMs: 200) {
                let verdict = try tap(scanner, "04ffffffffffff")
                seq += 1
                guard verdict.log == stranger.log, verdict.seq == seq else {
                    throw TestFailure("the switch lost a tap: \(verdict) after seq \(seq - 1)")
                }
                return verdict.name == "admitted"
            }
            #expect(scanner.snapshotVersion() > first)
            try verifyWithMinisign(line)
            scanner.gate?.closeInput()
            #expect(try scanner.gate?.wait() == .exit(0))
            try line.awaitAllStored()
            let versions = try line.database.query(
                "SELECT snapshot_version, min(verdict), max(verdict), max(seq) FROM tapline.scans WHERE seq > 1 GROUP BY 1 ORDER BY 1"
            )
            #expect(versions == ["\(first)|1|1|\(seq - 1)", "\(scanner.snapshotVersion())|0|0|\(seq)"])
            #expect(
                try line.database.query("SELECT version FROM tapline.snapshots ORDER BY 1")
                    == ["\(first)", "\(scanner.snapshotVersion())"])
        }
    }

    private func tap(_ scanner: Scanner, _ uid: String) throws -> PrintedVerdict {
        try scanner.gate?.write(uid + "\n")
        guard let line = try scanner.gate?.line() else {
            throw TestFailure("the gate ended: \(scanner.gate?.errorTail() ?? "")")
        }
        return try PrintedVerdict(line)
    }

    /// Debian's own minisign, which knows nothing of Tapline.
    private func verifyWithMinisign(_ line: Line) throws {
        try Run.succeeding(
            "minisign", ["-V", "-q", "-p", line.trustKeyFile, "-m", line.snapshots + "/manifest.json"])
    }
}
