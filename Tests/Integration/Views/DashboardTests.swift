import FileSystem
import Postgres
import TestSupport
import Testing

/// Tests the scripts of `dashboards/` with psql.
@Suite struct DashboardTests {
    private let database: TestDatabase

    /// Rows with the widest names and numbers.
    init() throws {
        database = try TestDatabase.migrated()
        let connection = try database.connect()
        try connection.execute(
            """
            INSERT INTO tapline.event (name, time_zone, day_start)
                VALUES ('E', 'Asia/Dubai', ((now() - interval '6 hours') AT TIME ZONE 'Asia/Dubai')::time);
            INSERT INTO tapline.zones (id, name, parent_id, capacity) VALUES
                (1, 'A zone with a very long name', NULL, 100000), (2, 'Another zone of a long name', 1, 1);
            INSERT INTO tapline.gates (id, name, zone_id, from_zone_id)
                VALUES (1, 'A gate with a very long name', 1, NULL), (2, 'Another gate of a long name', 2, 1);
            INSERT INTO tapline.scanners (id, gate_id)
                VALUES ('a-scanner-with-a-very-long-name', 1), ('another-scanner-of-a-long-name', 2);
            INSERT INTO tapline.attendees (id, name, external_ref) VALUES (1, 'A person with a very long name', 'R-1');
            INSERT INTO tapline.tags (tag_id, attendee_id) VALUES (-9223372036854775807, 1);
            INSERT INTO tapline.snapshots VALUES (5, now() - interval '400 days', now(), 1, 1, repeat('ab', 32), 'x');
            INSERT INTO tapline.journals (id, log, scanner_id, last_seq, next_seq, received, stored, duplicates, backlog,
                    snapshot_version, clock_skew, last_received_at)
                VALUES (1, gen_random_uuid(), 'a-scanner-with-a-very-long-name', 99999999, 100000000, 199999998, 99999999,
                    99999999, 9999999, 5, '-86399 seconds', now() - interval '118 minutes');
            INSERT INTO tapline_internal.tag_positions (tag_id, ordered_at, journal_id, seq, gate_id, direction)
                VALUES (-9223372036854775807, now(), 1, 1, 1, 0);
            """)
        try ScanRows.insert(
            connection,
            """
            SELECT 1, n, -9223372036854775807, now() - n * interval '1 second', v, 0, 1, 5, now()
            FROM (VALUES (1, 0), (2, 0), (3, 7), (4, 4)) AS scan(n, v)
            """)
        try connection.execute("SELECT tapline_internal.refresh_double_admissions('-infinity')")
    }

    private func show(_ script: String, _ more: [String] = []) throws -> Run {
        try Run.it(
            "psql",
            ["-X", "-v", "delegate=R-1", "-v", "report=muster"] + more + [
                "-f", "\(Package.folder)/dashboards/\(script)", database.url,
            ])
    }

    @Test(
        arguments: [
            ("live_zones.sql", "A zone with a very lon"), ("live_gates.sql", "A gate with a"),
            ("delegate_track.sql", "not-authentic"), ("scanner_health.sql", "NEVER HEARD"),
            ("double_admissions.sql", "A person with a ve"), ("ingest.sql", "199999998"),
            ("wall_zones.sql", "A zone with a very l"), ("wall_gates.sql", "A gate with a"),
            ("arrivals.sql", "Entries from off site"), ("expected.sql", "(none)"), ("fleet.sql", "never-heard"),
            ("refusals.sql", "Refused taps"), ("report.sql", "Report muster"),
        ])
    func scriptFitsInAHundredColumns(_ script: String, _ expected: String) throws {
        let run = try show(script)
        #expect(run.end == .exit(0), "\(run.errors)")
        #expect(run.errors.isEmpty)
        #expect(run.lines.contains { $0.contains(expected) }, "\(run.lines)")
        let widest = run.lines.map(\.count).max() ?? 0
        #expect(widest <= 100, "\(widest): \(run.lines)")
    }

    private static let scripts = [
        "arrivals.sql", "delegate_track.sql", "double_admissions.sql", "expected.sql", "fleet.sql", "ingest.sql",
        "live_gates.sql", "live_zones.sql", "refusals.sql", "report.sql", "scanner_health.sql", "wall_gates.sql",
        "wall_zones.sql",
    ]

    @Test(arguments: scripts)
    func readerOfTheViewsRunsEachScript(_ script: String) throws {
        let run = try show(script, ["-v", "ON_ERROR_STOP=1", "-c", "SET ROLE tapline_reader_names"])
        #expect(run.end == .exit(0) && run.errors.isEmpty, "\(run.errors)")
    }

    @Test func readerOfTheViewsReadsEachView() throws {
        let connection = try database.connect()
        let views = try connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'tapline'")
        try connection.execute("SET ROLE tapline_reader_names")
        for row in 0..<views.rowCount {
            // OFFSET 0: every column is evaluated.
            try connection.execute("SELECT count(v) FROM (SELECT * FROM tapline.\(views.text(row, 0)) OFFSET 0) v")
        }
        #expect(views.rowCount > 10)
    }

    @Test func allScriptsAreTested() throws {
        let scripts = try Files.list("\(Package.folder)/dashboards").filter { $0.hasSuffix(".sql") }
        #expect(scripts == Self.scripts)
    }

    @Test func delegateIsFoundByNameInOtherUnicodeForm() throws {
        try database.connect().execute("UPDATE tapline.attendees SET name = 'Caf\u{e9}'")
        let run = try Run.it(
            "psql",
            [
                "-X", "-v", "delegate=Cafe\u{301}", "-f", "\(Package.folder)/dashboards/delegate_track.sql",
                database.url,
            ])
        #expect(run.end == .exit(0) && run.lines.contains { $0.contains("not-authentic") }, "\(run.lines)")
    }

    @Test(arguments: [
        "arrivals", "dwell", "no_shows", "refusals", "reentries", "late", "categories", "busiest", "muster",
    ])
    func reportIsShownByItsScript(_ report: String) throws {
        let run = try show("report.sql", ["-v", "report=\(report)", "-v", "ON_ERROR_STOP=1", "-v", "day=2026-05-06"])
        #expect(run.end == .exit(0) && run.lines.first?.contains("Report \(report)") == true, "\(run.errors)")
        #expect(run.lines.allSatisfy { $0.count <= 100 }, "\(run.lines)")
    }

    /// The ways of docs/operating/monitoring.md.
    @Test func watchRepeatsTheQuery() throws {
        let zones = "\(Package.folder)/dashboards/live_zones.sql"
        for (arguments, input) in [
            (["-v", "watch=0.01", "-f", zones], ""), ([], "\\set watch 0.01\n\\i \(zones)\n"),
        ] {
            let watch = try ChildProcess("psql", ["-X"] + arguments + [database.url])
            try watch.write(input)
            var titles = 0
            while titles < 3 {
                let line = try #require(try watch.line())
                if line.contains("Zones:") { titles += 1 }
            }
            watch.kill()
            _ = try watch.wait()
        }
    }

    @Test func watchAfterAnIncludedScriptHasNoQuery() throws {
        let zones = "\(Package.folder)/dashboards/live_zones.sql"
        let run = try Run.it("psql", ["-X", database.url], input: "\\i \(zones)\n\\watch 0.01\n")
        #expect(run.lines.count { $0.contains("Zones:") } == 1, "\(run.lines)")
        #expect(run.errors.contains("\\watch cannot be used with an empty query"), "\(run.errors)")
        let unset = try Run.it(
            "psql", ["-X", "-v", "watch=9", database.url], input: "\\unset watch\n\\i \(zones)\n")
        #expect(unset.end == .exit(0) && unset.lines.count { $0.contains("Zones:") } == 1, "\(unset.lines)")
    }
}
