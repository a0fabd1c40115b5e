import Postgres
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

    /// Makes a center that listens, and all scanners heard.
    private func makeWell() throws {
        try connection.execute(
            """
            INSERT INTO tapline.event (name, time_zone) VALUES ('Faire', 'Asia/Kathmandu');
            INSERT INTO tapline_internal.centers (name, alive_at, listened_at, listening_since)
                VALUES ('1/1', now() + interval '1 hour', now() + interval '1 hour', now() - interval '5 minutes');
            UPDATE tapline.scanners SET enabled = id IN ('s-1', 's-2');
            INSERT INTO tapline.journals (log, scanner_id, state) SELECT gen_random_uuid(), id, '{"gate":"running"}'
                FROM tapline.scanners WHERE enabled
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

    @Test func verdictCountsAlarmsAndTheScreenStaysWhole() throws {
        try makeWell()
        let long = String(repeating: "a-very-long-name-", count: 12)
        try connection.execute(
            """
            UPDATE tapline.event SET name = '\(long)';
            INSERT INTO tapline.zones (id, name, capacity) SELECT n, '\(long)' || n, 10 FROM generate_series(10, 60) n;
            INSERT INTO tapline.scanners (id, gate_id) SELECT 'x-' || n, 1 FROM generate_series(1, 50) n;
            INSERT INTO tapline_internal.broker_check DEFAULT VALUES;
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
        var verdicts = 0
        while verdicts < 2 {
            let line = try #require(try watch.line())
            if line.hasPrefix("OK  ") { verdicts += 1 }
        }
        watch.kill(15)
        #expect(try watch.wait() == .exit(0))
        #expect(try status("--watch", "--all").end == .exit(78))
    }
}
