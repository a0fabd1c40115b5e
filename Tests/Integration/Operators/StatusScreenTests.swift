import Ingest
import LinuxSystem
import Postgres
import Runtime
import TestSupport
import Testing

/// Tests that `status` is one screen of 80 columns and 24 rows with a verdict, whatever is in the database.
struct StatusScreenTests {
    private let fixture: IngestFixture
    private var connection: PostgresConnection { fixture.connection }

    init() throws { fixture = try IngestFixture() }

    private func status(_ arguments: String...) throws -> Run {
        try Run.it("tapline-center", ["status", "--database-url", fixture.url] + arguments)
    }

    private func expectScreen(_ run: Run, _ lines: some Sequence<String>) {
        let lines = Array(lines)
        #expect(lines.count <= 24, "\(lines.count): \(lines)")
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines)")
    }

    /// Makes a center that listens and has looked at the broker, a published snapshot, and all scanners heard.
    private func makeWell() throws {
        try connection.execute(
            """
            INSERT INTO tapline.event (name, time_zone) VALUES ('Faire', 'Asia/Kathmandu');
            INSERT INTO tapline_internal.centers (name, alive_at, listened_at, listening_since, dead_letters, dead_letters_at)
                VALUES ('1/1', now() + interval '1 hour', now() + interval '1 hour', now() - interval '5 minutes', 0,
                    now() + interval '1 hour');
            INSERT INTO tapline_internal.broker_check DEFAULT VALUES;
            INSERT INTO tapline.snapshots (version, expires_at, attendees, size, sha256, file, published_at)
                VALUES (5, now() + interval '1 day', 1, 1, repeat('ab', 32), 'f', now());
            UPDATE tapline.scanners SET enabled = id IN ('s-1', 's-2');
            INSERT INTO tapline.journals (log, scanner_id, state, snapshot_version)
                SELECT gen_random_uuid(), id, '{"gate":"running"}', 5 FROM tapline.scanners WHERE enabled
            """)
    }

    @Test func wellEventIsOkInLocalTime() throws {
        try makeWell()
        try connection.execute("UPDATE tapline.zones SET capacity = 100 WHERE id = 1")
        let run = try status()
        #expect(run.end == .exit(0), "\(run.lines)\(run.errors)")
        expectScreen(run, run.lines)
        #expect(run.lines[0].hasPrefix("Faire ") && run.lines[0].hasSuffix(" +05:45"), "\(run.lines[0])")
        #expect(run.lines[1] == "OK       nothing is wrong")
        #expect(run.lines[2].hasPrefix("center   a center is running since 20") && run.lines[2].hasSuffix("+05:45"))
        let zone = try #require(run.lines.first { $0.hasPrefix("hall ") })
        #expect(
            zone.split(separator: " ").map(String.init).starts(with: ["hall", "0", "100", "0", "%", "2/2"]), "\(zone)")
    }

    @Test func scannersWithoutAPublishedListAreAnAlarm() throws {
        try makeWell()
        try connection.execute("DELETE FROM tapline.snapshots")
        let run = try status()
        #expect(run.end == .exit(1))
        #expect(run.lines[1] == "WRONG    1 alarm, the worst: no snapshot was published: gates have no list")
        // A fresh event has no people to admit.
        try connection.execute(
            "UPDATE tapline.scanners SET enabled = false; DELETE FROM tapline.tags; DELETE FROM tapline.attendees")
        let fresh = try status()
        #expect(fresh.end == .exit(0), "\(fresh.lines)")
        #expect(fresh.lines[1] == "OK       nothing wrong is known; not known: the list of the gates")
    }

    @Test func countsThatLagBehindTheScansAreAnAlarm() throws {
        try makeWell()
        try connection.execute(
            "INSERT INTO tapline_internal.tracking_queue SELECT id, 1, 9, clock_timestamp() - interval '4 seconds' "
                + "FROM tapline.journals LIMIT 1")
        #expect(try status().end == .exit(0))
        try connection.execute(
            "UPDATE tapline_internal.tracking_queue SET stored_at = stored_at - interval '20 minutes'")
        let run = try status()
        #expect(run.end == .exit(1))
        #expect(run.lines[1].hasPrefix("WRONG    1 alarm, the worst: presence and flow are 120"), "\(run.lines[1])")
    }

    @Test func deadLettersAreAnAlarmWithTheTimeOfAnOldCount() throws {
        try makeWell()
        try connection.execute("UPDATE tapline_internal.centers SET dead_letters = 1")
        let run = try status()
        #expect(run.end == .exit(1))
        #expect(run.lines[1] == "WRONG    1 alarm, the worst: 1 message is in tapline.dead: see dead-letters list")
        #expect(run.lines.contains { $0.hasPrefix("open ") && $0.hasSuffix("dead letters 1") }, "\(run.lines)")
        try connection.execute("UPDATE tapline_internal.centers SET dead_letters_at = now() - interval '10 minutes'")
        let old = try status("--all")
        #expect(
            old.lines.contains {
                $0.hasSuffix("1 message is in tapline.dead as counted 10 min ago: see dead-letters list")
            },
            "\(old.lines)")
        // An old count of 0 says nothing of the present.
        try connection.execute("UPDATE tapline_internal.centers SET dead_letters = 0")
        let unknown = try status()
        #expect(unknown.end == .exit(0))
        #expect(unknown.lines[1] == "OK       nothing wrong is known; not known: dead letters")
        #expect(unknown.lines.contains { $0.hasSuffix("dead letters 0 (10 min ago)") }, "\(unknown.lines)")
    }

    /// The center tells the database, so that `status` needs no broker.
    @Test func centerRecordsDeadLettersWithinSeconds() throws {
        let (count, url) = (Recorder<Int>(), fixture.url)
        let liveness = CenterLiveness(
            databaseURL: url, instance: CenterInstance(), metrics: Metrics(), deadLetters: { count.all.last },
            isListening: { true })
        let service = RunningService(liveness.service())
        func isAlarm() throws -> Bool {
            try Run.it("tapline-center", ["status", "--all", "--database-url", url]).lines.contains {
                $0.hasPrefix("alarm") && $0.contains("2 messages are in tapline.dead: see")
            }
        }
        try eventually("the first record") { liveness.problems.isEmpty }
        #expect(try !isAlarm())
        count.record(2)
        let found = SystemClock.monotonicMs()
        try eventually("the alarm") { try isAlarm() }
        #expect(SystemClock.monotonicMs() - found < 10_000)
        try service.end()
    }

    @Test func verdictCountsAlarmsAndTheScreenStaysWhole() throws {
        try makeWell()
        let long = String(repeating: "a-very-long-name-", count: 12)
        try connection.execute(
            """
            UPDATE tapline.event SET name = '\(long)';
            INSERT INTO tapline.zones (id, name, capacity) SELECT n, '\(long)' || n, 10 FROM generate_series(10, 60) n;
            INSERT INTO tapline.scanners (id, gate_id) SELECT 'x-' || n, 1 FROM generate_series(1, 50) n;
            INSERT INTO tapline_internal.broker_warning SELECT 'queue-' || n, '\(long)' FROM generate_series(1, 20) n
            """)
        let run = try status()
        #expect(run.end == .exit(1))
        expectScreen(run, run.lines)
        #expect(run.lines.count == 24, "\(run.lines)")
        #expect(
            run.lines[1].hasPrefix("WRONG    21 alarms, the worst: NEVER HEARD: 50 scanners (x-1, "), "\(run.lines[1])")
        #expect(run.lines.contains { $0.hasPrefix("alarm    NEVER HEARD") })
        #expect(run.lines.last?.contains("more: tapline-center status --all") == true, "\(run.lines)")
        #expect(run.lines.contains { $0.contains("... 4") && $0.contains(" more") }, "\(run.lines)")
        let all = try status("--all")
        #expect(all.end == .exit(1) && all.lines.count { $0.hasPrefix("alarm ") } == 21)
        #expect(all.lines.contains { $0.contains(long) && $0.count > 100 })
    }

    @Test func fullZoneIsShownFirstAndIsNoAlarm() throws {
        try makeWell()
        try connection.execute(
            """
            INSERT INTO tapline.zones (id, name, capacity) SELECT n, 'zone ' || n, 1000 FROM generate_series(10, 60) n;
            UPDATE tapline.zones SET capacity = 1 WHERE id = 2;
            INSERT INTO tapline_internal.tag_positions
                SELECT n, now(), (SELECT max(id) FROM tapline.journals), n, 3, 0 FROM generate_series(1, 9, 2) n
            """)
        let run = try status()
        #expect(run.end == .exit(0), "\(run.lines)")
        expectScreen(run, run.lines)
        let stage = try #require(run.lines.first { $0.hasPrefix("stage ") }, "\(run.lines)")
        #expect(stage.contains("500 %") && stage.contains("FULL"), "\(stage)")
    }

    /// A text of the database must not command the terminal.
    @Test func hostileNameStaysInItsLine() throws {
        try connection.execute("INSERT INTO tapline.event (name) VALUES (E'a\\nOK       nothing\\x1b[2J')")
        let run = try status()
        #expect(run.lines[0].contains("a\\u{A}OK"), "\(run.lines[0])")
        #expect(run.lines.allSatisfy { !$0.contains("\u{1B}") })
    }

    @Test func watchRepeatsTheScreenUntilItIsStopped() throws {
        try makeWell()
        let watch = try ChildProcess(
            Package.program("tapline-center"), ["status", "--watch", "--database-url", fixture.url])
        var verdicts: [String] = []
        while verdicts.count < 2 {
            let line = try #require(try watch.line())
            if line.hasPrefix("OK  ") || line.hasPrefix("WRONG ") { verdicts.append(line) }
        }
        #expect(verdicts.allSatisfy { $0.hasPrefix("OK  ") }, "\(verdicts)")
        watch.kill(15)
        #expect(try watch.wait() == .exit(0))
        #expect(try status("--watch", "--all").end == .exit(78))
    }
}
