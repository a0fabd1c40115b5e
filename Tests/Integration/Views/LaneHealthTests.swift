import Ingest
import Migrations
import Postgres
import Runtime
import Synchronization
import TestSupport
import Testing

/// What the views say of lanes and centers, from the heartbeats and from the liveness of the centers.
@Suite struct LaneHealthTests {
    private let database: TestDatabase
    private let connection: PostgresConnection

    init() throws {
        database = try TestDatabase.migrated()
        connection = try database.connect()
        try connection.execute(
            """
            INSERT INTO tapline.event (name, time_zone) VALUES ('E', 'Asia/Dubai');
            INSERT INTO tapline.zones (id, name) VALUES (1, 'site');
            INSERT INTO tapline.gates (id, name, zone_id) VALUES (1, 'main', 1);
            """)
    }

    /// Enrols a scanner that was heard some seconds ago with a state.
    private func hear(_ scanner: String, _ state: String = #"{"gate": "running"}"#, secondsAgo: Int = 5) throws {
        try connection.query("INSERT INTO tapline.scanners (id, gate_id) VALUES ($1, 1)", [.text(scanner)])
        try connection.query(
            """
            INSERT INTO tapline.journals (log, scanner_id, last_received_at, state)
            VALUES (gen_random_uuid(), $1, now() - $2 * interval '1 second', $3::text::jsonb)
            """, [.text(scanner), .int32(Int32(secondsAgo)), .text(state)])
    }

    /// A center that has listened for ten minutes, until some seconds ago.
    private func listen(untilSecondsAgo seconds: Int = 0) throws {
        try connection.query(
            """
            INSERT INTO tapline_internal.centers (name, alive_at, listened_at, listening_since)
            VALUES ('1/1', now() - $1 * interval '1 second', now() - $1 * interval '1 second',
                now() - interval '10 minutes' - $1 * interval '1 second')
            """, [.int32(Int32(seconds))])
    }

    private func rows(_ sql: String) throws -> [String] {
        let result = try connection.execute(sql)
        return (0..<result.rowCount).map { row in
            (0..<result.columnCount).map { result.optionalText(row, $0) ?? "-" }.joined(separator: "|")
        }
    }

    @Test(arguments: [
        (#"{"gate": "running"}"#, "ok"), (#"{"gate": "stopped", "alarms": "reader"}"#, "LANE DOWN"),
        (#"{"gate": "stopped", "alarms": "gate clock", "mode": "closed"}"#, "LANE DOWN"),
        (#"{"gate": "running", "alarms": "disk reader"}"#, "READER"), (#"{"reader": "nfc (unplugged)"}"#, "READER"),
        (#"{"gate": "running", "alarms": "turnstile"}"#, "TURNSTILE"),
        (#"{"gate": "running", "mode": "closed", "alarms": "disk"}"#, "CLOSED"),
        (#"{"gate": "running", "mode": "free"}"#, "FREE"), (#"{"gate": "running", "alarms": "clock disk"}"#, "DISK"),
        (#"{"gate": "running", "alarms": "journal"}"#, "DISK"), (#"{"gate": "running", "alarms": "clock"}"#, "CLOCK"),
        (#"{"gate": "running", "alarms": "snapshot"}"#, "ALARM"), (#"{"reader": "stdin"}"#, "UNREPORTED"),
    ])
    func conditionIsTheWorstOfALane(_ state: String, _ condition: String) throws {
        try listen()
        try hear("s1", state)
        #expect(try rows("SELECT condition FROM tapline.scanner_health") == [condition])
    }

    @Test func stoppedCenterMakesNoScannerSilent() throws {
        try listen(untilSecondsAgo: 600)
        try hear("heard", secondsAgo: 605)
        try hear("dead", secondsAgo: 700)
        try connection.execute("INSERT INTO tapline.scanners (id, gate_id) VALUES ('new', 1)")
        #expect(
            try rows("SELECT scanner_id, silent, condition FROM tapline.scanner_health") == [
                "dead|t|SILENT", "heard|f|NO CENTER", "new|t|NEVER HEARD",
            ])
        #expect(try rows("SELECT lanes, lanes_silent FROM tapline.live_zones") == ["3|2"])
        #expect(try rows("SELECT lanes, lanes_silent FROM tapline.live_gates") == ["3|2"])
        let state = try rows("SELECT state, message ~ '^no center is running since 20' FROM tapline.center_state")
        #expect(state == ["stopped|t"])
    }

    @Test func startedCenterAwaitsScannersBeforeSilence() throws {
        try hear("s1", secondsAgo: 300)
        try connection.execute("SELECT tapline_internal.center_is_alive('1/1', true, NULL)")
        #expect(try rows("SELECT silent, condition FROM tapline.scanner_health") == ["f|AWAITED"])
        try connection.execute("UPDATE tapline_internal.centers SET listening_since = now() - interval '2 minutes'")
        #expect(try rows("SELECT silent, condition FROM tapline.scanner_health") == ["t|SILENT"])
    }

    @Test func centerWithoutBrokerIsNotRunning() throws {
        try connection.execute("SELECT tapline_internal.center_is_alive('1/1', false, NULL)")
        try hear("s1")
        #expect(
            try rows("SELECT state, message FROM tapline.center_state") == [
                "no broker|the center has not reached the broker yet"
            ])
        #expect(try rows("SELECT condition FROM tapline.scanner_health") == ["NO CENTER"])
    }

    @Test func secondCenterContinuesTheListeningOfTheFirst() throws {
        try listen()
        try connection.execute("SELECT tapline_internal.center_is_alive('2/2', true, NULL)")
        try connection.execute("UPDATE tapline_internal.centers SET stopped = true WHERE name = '1/1'")
        #expect(
            try rows("SELECT state, since < now() - interval '9 minutes', centers FROM tapline.center_state") == [
                "running|t|1"
            ])
    }

    @Test func conditionsOfSchemaAndMetricsAreEqual() throws {
        #expect(
            try rows("SELECT unnest(tapline_internal.scanner_conditions())") == ScannerConditions.all)
        let comment = try rows(
            """
            SELECT col_description('tapline.scanner_health'::regclass, attnum) FROM pg_attribute
            WHERE attrelid = 'tapline.scanner_health'::regclass AND attname = 'condition'
            """)
        #expect(comment.first?.hasSuffix(": " + ScannerConditions.all.joined(separator: ", ")) == true, "\(comment)")
    }

    @Test func centerRecordsItsLifeAndCountsConditions() throws {
        try hear("s1", #"{"gate": "stopped"}"#)
        let metrics = Metrics()
        let service = RunningService(
            CenterLiveness(databaseURL: database.url, instance: CenterInstance(), metrics: metrics) { true }.service())
        try eventually("the center is running") {
            try rows("SELECT state FROM tapline.center_state") == ["running"]
                && metrics.render().contains(#"tapline_scanners{condition="lane-down"} 1"#)
        }
        service.stop()
        #expect(try service.waitForEnd() == nil)
        #expect(try rows("SELECT state FROM tapline.center_state") == ["stopped"])
    }

    @Test func viewsShowACenterOnceItIsReady() throws {
        try hear("s1")
        let listening = StopSignal()
        let liveness = CenterLiveness(databaseURL: database.url, instance: CenterInstance(), metrics: Metrics()) {
            listening.isStopped
        }
        let service = RunningService(liveness.service())
        try eventually("the center waits for the broker") {
            try rows("SELECT state FROM tapline.center_state") == ["no broker"]
        }
        #expect(liveness.problems.map(\.name) == ["liveness"])
        listening.stop()
        try eventually("the center is ready") { liveness.problems.isEmpty }
        #expect(try rows("SELECT state FROM tapline.center_state") == ["running"])
        #expect(try rows("SELECT condition FROM tapline.scanner_health") != ["NO CENTER"])
        service.stop()
        #expect(try service.waitForEnd() == nil)
    }

    @Test func centerRunsSinceTheStartOfItsPresentRun() throws {
        try listen(untilSecondsAgo: 3)
        try connection.execute("UPDATE tapline_internal.centers SET stopped = true")
        let listening = StopSignal()
        let liveness = CenterLiveness(databaseURL: database.url, instance: CenterInstance(), metrics: Metrics()) {
            listening.isStopped
        }
        let service = RunningService(liveness.service())
        // The record of the last run is younger than 15 s. It does not make the new run a listening one.
        try eventually("the center waits for the broker") {
            try rows("SELECT state FROM tapline.center_state") == ["no broker"]
        }
        listening.stop()
        try eventually("the center is ready") { liveness.problems.isEmpty }
        #expect(
            try rows("SELECT state, since > now() - interval '5 minutes' FROM tapline.center_state") == ["running|t"])
        service.stop()
        #expect(try service.waitForEnd() == nil)
    }

    @Test func slowCountNeitherStopsTheRecordsNorReconnects() throws {
        // Until the end of the transaction, each count of the scanners waits for its time limit.
        let lock = try database.connect()
        try lock.execute("BEGIN; LOCK TABLE tapline.scanners IN ACCESS EXCLUSIVE MODE")
        defer { withExtendedLifetime(lock) {} }
        let liveness = CenterLiveness(databaseURL: database.url, instance: CenterInstance(), metrics: Metrics()) {
            true
        }
        let service = RunningService(liveness.service())
        func session() throws -> [String] {
            try rows(
                "SELECT pid FROM pg_stat_activity "
                    + "WHERE application_name = 'tapline-center liveness' AND datname = current_database()")
        }
        func records() throws -> [String] { try rows("SELECT alive_at FROM tapline_internal.centers") }
        try eventually("the first record") { try !records().isEmpty }
        let (first, connected) = (try records(), try session())
        #expect(connected.count == 1)
        try eventually("a record after the count has failed") { try records() != first }
        #expect(try session() == connected)
        service.stop()
        #expect(try service.waitForEnd() == nil)
    }

    @Test func statusFailsWithAlarmLinesAndNamesTheLane() throws {
        func status() throws -> Run {
            try Run.it("tapline-center", ["status", "--all", "--database-url", database.url])
        }
        try listen()
        try hear("s1")
        try connection.execute(
            """
            INSERT INTO tapline.snapshots (version, expires_at, attendees, size, sha256, file)
                VALUES (5, now() + interval '1 day', 1, 1, repeat('ab', 32), 'f');
            UPDATE tapline.journals SET snapshot_version = 5
            """)
        let well = try status()
        #expect(well.end == .exit(0), "\(well.errors)")
        let center = well.lines.first { $0.contains("a center is running since 20") }
        #expect(center?.hasSuffix("+04:00") == true, "\(center ?? "-")")
        #expect(!well.lines.contains { $0.hasPrefix("alarm") })
        try hear("s2", #"{"gate": "stopped"}"#)
        let down = try status()
        #expect(down.end == .exit(1))
        #expect(down.lines.contains { $0.hasPrefix("alarm") && $0.hasSuffix("LANE DOWN: 1 scanner (s2)") })
        try connection.execute("UPDATE tapline_internal.centers SET stopped = true")
        let stopped = try status()
        #expect(stopped.end == .exit(1))
        #expect(stopped.lines.contains { $0.hasPrefix("alarm") && $0.contains("no center is running since") })
    }

    @Test func statusNamesACenterThatCannotPublish() throws {
        let problem = Mutex<String?>("write out/snapshot: No space left on device")
        let liveness = CenterLiveness(
            databaseURL: database.url, instance: CenterInstance(), metrics: Metrics(),
            snapshotProblem: { problem.withLock { $0 } }, isListening: { true })
        let running = RunningService(liveness.service())
        func alarm() throws -> String? {
            try Run.it("tapline-center", ["status", "--all", "--database-url", database.url]).lines.first {
                $0.hasPrefix("alarm") && $0.contains("cannot publish")
            }
        }
        try eventually("the alarm is recorded") { try alarm() != nil }
        #expect(
            try alarm()?.hasSuffix(
                "center 1/1 cannot publish the registration list: write out/snapshot: No space left on device") == true)
        problem.withLock { $0 = nil }
        try eventually("the alarm ends") { try alarm() == nil }
        try running.end()
    }

    @Test func laneEventsNameWhoAdmittedAndWhy() throws {
        try hear("s1")
        try connection.execute(
            """
            INSERT INTO tapline.attendees (id, name) VALUES (1, 'Ada');
            INSERT INTO tapline.tags (tag_id, attendee_id) VALUES (101, 1);
            """)
        try ScanRows.insert(
            connection,
            """
            SELECT j.id, n, tag, now() + n * interval '1 millisecond', v, 2, 1, 5, now()
            FROM tapline.journals j, (VALUES (1, 130, 0), (2, 0, 101), (3, 0, 101), (4, 134, 0)) x(n, v, tag)
            """)
        try connection.execute(
            """
            INSERT INTO tapline_internal.scan_notes
                SELECT j.id, n, t FROM tapline.journals j, (VALUES (1, 'storm'), (2, 'band broken')) x(n, t)
            """)
        #expect(
            try rows("SELECT scanner_id, gate, event, reason, name FROM tapline.lane_events ORDER BY seq") == [
                "s1|main|closed|storm|-", "s1|main|manual admission|band broken|Ada", "s1|main|manual admission|-|-",
            ])
    }

    @Test func onlyPublishedSnapshotMakesOthersOutdated() throws {
        try listen()
        try hear("s1")
        try connection.execute(
            """
            INSERT INTO tapline.snapshots (version, expires_at, attendees, size, sha256, file, published_at) VALUES
                (5, now() + interval '1 day', 1, 1, repeat('ab', 32), 'a', now()),
                (6, now() + interval '1 day', 1, 1, repeat('cd', 32), 'b', NULL);
            UPDATE tapline.journals SET snapshot_version = 5;
            """)
        let health = "SELECT snapshot_outdated, condition FROM tapline.scanner_health"
        #expect(try rows(health) == ["f|ok"])
        try connection.execute("UPDATE tapline.snapshots SET published_at = now()")
        #expect(try rows(health) == ["t|OUTDATED"])
    }
}
