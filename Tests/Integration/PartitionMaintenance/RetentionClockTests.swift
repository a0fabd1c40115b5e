import LinuxSystem
import Postgres
import Runtime
import TestSupport
import Testing

@testable import PartitionMaintenance

/// Tests that no clock alone makes scans old enough to be dropped.
@Suite struct RetentionClockTests {
    private static let hourMs = RetentionWait.waitMs
    private static let dayMicros: Int64 = 86_400_000_000
    /// 2026-06-01T00:00:00Z, microseconds.
    private static let now = IngestFixture.day

    /// Returns clocks that agree at `now` after this many milliseconds, and differ by the days of the other arguments.
    private static func clocks(
        afterMs ms: Int64 = 0, database: Int64 = 0, center: Int64 = 0, heard: Int64? = 0
    ) -> RetentionClocks {
        let at = now + ms * 1_000
        return RetentionClocks(
            databaseMicros: at + database * dayMicros, centerMicros: at + center * dayMicros,
            heardMicros: heard.map { at + $0 * dayMicros })
    }

    private static func micros() -> Int64 { SystemClock.nowMicroseconds() }

    // MARK: The clocks

    @Test func clocksAgreeWithinTheirLimits() {
        typealias Limits = RetentionClocks
        func check(_ databaseS: Int64, _ centerS: Int64, _ heardS: Int64?, keepDays: Int = 30) -> Bool {
            RetentionClocks(
                databaseMicros: Self.now + databaseS * 1_000_000, centerMicros: Self.now + centerS * 1_000_000,
                heardMicros: heardS.map { Self.now + $0 * 1_000_000 }
            ).disagreement(keepDays: keepDays) == nil
        }
        #expect(check(0, 0, 0) && check(0, 0, nil))
        #expect(check(Limits.differenceLimitS, 0, 0) && check(0, Limits.differenceLimitS, 0))
        #expect(!check(Limits.differenceLimitS + 1, 0, 0) && !check(0, Limits.differenceLimitS + 1, 0))
        #expect(check(0, 0, Limits.differenceLimitS) && !check(0, 0, Limits.differenceLimitS + 1))
        let silence = Limits.silenceLimitDays * 86_400
        #expect(check(0, 0, -silence) && !check(0, 0, -silence - 1))
        #expect(check(0, 0, -86_400, keepDays: 1) && !check(0, 0, -86_401, keepDays: 1))
    }

    @Test func extremeTimesOfTheDatabaseDoNotTrap() {
        let extremes: [(Int64, Int64, Int64)] = [(.max, 0, 0), (0, .min, 0), (0, 0, .min), (0, 0, .max)]
        for (database, center, heard) in extremes {
            let clocks = RetentionClocks(databaseMicros: database, centerMicros: center, heardMicros: heard)
            #expect(clocks.disagreement(keepDays: 30) != nil)
            var wait = RetentionWait()
            _ = wait.look(["a"], Self.clocks(), keepDays: 30, nowMs: 0)
            #expect(wait.look(["a"], clocks, keepDays: 30, nowMs: Self.hourMs) != .drop(["a"]))
        }
    }

    // MARK: The wait

    @Test func partitionIsDroppedAnHourAfterTheFirstLook() {
        var wait = RetentionWait()
        func look(_ names: [String], _ ms: Int64) -> RetentionWait.Answer {
            wait.look(names, Self.clocks(afterMs: ms), keepDays: 30, nowMs: ms)
        }
        #expect(look(["a"], 0) == .wait)
        #expect(look(["a", "b"], 1_000) == .wait)
        #expect(look(["a", "b"], Self.hourMs - 1) == .wait)
        #expect(look(["a", "b"], Self.hourMs) == .drop(["a"]))
        // One that was not old enough in between waits again.
        #expect(look(["b"], Self.hourMs + 1) == .wait)
        #expect(look(["a", "b"], Self.hourMs + 1_000) == .drop(["b"]))
        #expect(look(["a"], 2 * Self.hourMs) == .wait)
    }

    @Test(arguments: [
        RetentionClockTests.clocks(database: 40), RetentionClockTests.clocks(center: 40),
        RetentionClockTests.clocks(database: 40, center: 40, heard: 40),
        RetentionClockTests.clocks(database: 40, center: 40),
    ]) func clockAheadForHalfAMinuteDropsNothing(_ ahead: RetentionClocks) {
        var wait = RetentionWait()
        var answers = [wait.look([], Self.clocks(), keepDays: 30, nowMs: 0)]
        answers.append(wait.look(["a"], ahead, keepDays: 30, nowMs: 30_000))
        answers.append(wait.look([], Self.clocks(afterMs: 60_000), keepDays: 30, nowMs: 60_000))
        for hour in 1...3 {
            let ms = Int64(hour) * Self.hourMs
            answers.append(wait.look([], Self.clocks(afterMs: ms), keepDays: 30, nowMs: ms))
        }
        #expect(!answers.contains { if case .drop = $0 { true } else { false } })
    }

    @Test func waitBeginsAgainAfterAClockWasSet() {
        var wait = RetentionWait()
        func look(_ ms: Int64, aheadDays: Int64) -> RetentionWait.Answer {
            let clocks = Self.clocks(afterMs: ms, database: aheadDays, center: aheadDays, heard: aheadDays)
            return wait.look(["a"], clocks, keepDays: 30, nowMs: ms)
        }
        #expect(look(0, aheadDays: 0) == .wait)
        #expect(look(Self.hourMs - 1, aheadDays: 0) == .wait)
        #expect(look(Self.hourMs, aheadDays: 1) == .wait)
        #expect(look(2 * Self.hourMs - 1, aheadDays: 1) == .wait)
        #expect(look(2 * Self.hourMs, aheadDays: 1) == .drop(["a"]))
    }

    // MARK: With a database

    /// A partition that is 40 days old, and a journal that was heard just now.
    private struct Fixture {
        let ingest: IngestFixture
        let metrics = Metrics()
        let job: RetentionJob
        var connection: PostgresConnection { ingest.connection }

        init(keepDays: Int = 35) throws {
            ingest = try IngestFixture()
            job = RetentionJob(MaintenanceSettings(keepDays: keepDays), MaintenanceMetrics(metrics))
            for (id, days) in [(1, 40), (2_000, 0)] {
                try ingest.connection.execute(
                    """
                    INSERT INTO tapline.journals (id, log, scanner_id, last_seq, next_seq, received, stored, last_received_at)
                    VALUES (\(id), gen_random_uuid(), 's-1', 100, 101, 100, 100, now() - interval '\(days) days')
                    """)
                try ScanRows.insert(
                    ingest.connection,
                    "SELECT \(id), n, n % 40 + 1, now(), 0, 0, 1, 0, now() FROM generate_series(1, 100) n")
            }
            try ingest.connection.execute("SELECT setval('tapline.journals_id_seq', 2000)")
        }

        func step(_ ms: Int64) throws { try job.step(connection, StopSignal(), nowMs: ms) }

        func scans() throws -> Int64 { try ingest.int("SELECT count(*) FROM tapline.scans") }
        func alarms() throws -> [String] {
            try ingest.texts("SELECT detail FROM tapline_internal.retention_alarm")
        }

        /// Lets the clock of the database be ahead in this session, for statements that name no schema.
        func setDatabaseClockAhead(_ isAhead: Bool) throws {
            try connection.execute(
                """
                CREATE SCHEMA IF NOT EXISTS ahead;
                CREATE OR REPLACE FUNCTION ahead.now() RETURNS timestamptz LANGUAGE sql
                    AS $$ SELECT pg_catalog.now() + interval '40 days' $$;
                CREATE OR REPLACE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql
                    AS $$ SELECT pg_catalog.clock_timestamp() + interval '40 days' $$;
                \(isAhead ? "SET search_path = ahead, pg_catalog" : "RESET search_path")
                """)
        }
    }

    @Test func databaseClockAheadDropsNothingAndRaisesAnAlarm() throws {
        let fixture = try Fixture(keepDays: 60)
        try fixture.step(0)
        try fixture.setDatabaseClockAhead(true)
        for look in 1...3 { try fixture.step(Int64(look) * Self.hourMs) }
        #expect(try fixture.scans() == 200)
        let alarm = try #require(try fixture.alarms().first)
        #expect(alarm.hasPrefix("the clock of the database shows "))
        #expect(fixture.metrics.render().contains("tapline_growth_retention_blocked 1"))
        let status = try Run.it("tapline-center", ["status", "--all", "--database-url", fixture.ingest.database.url])
        #expect(status.end == .exit(1))
        let line = "retention drops nothing: the clock of the database shows "
        #expect(status.lines.contains { $0.hasPrefix("alarm ") && $0.contains(line) })
        try fixture.setDatabaseClockAhead(false)
        try fixture.step(3 * Self.hourMs + 30_000)
        #expect(try fixture.alarms() == [])
        #expect(fixture.metrics.render().contains("tapline_growth_retention_blocked 0"))
    }

    @Test func centerDropsWhatWasOldForAnHour() throws {
        let fixture = try Fixture()
        // The clocks of the test do not advance by the hour, as if they had been set. So looks are close together.
        for minute in 0...60 {
            try fixture.step(Int64(minute) * 60_000)
            if minute < 60 { #expect(try fixture.scans() == 200) }
        }
        #expect(try fixture.scans() == 100)
        #expect(fixture.metrics.render().contains("tapline_growth_scans_retired_total 100"))
    }

    @Test func dropComparesTheClocksOnceMore() throws {
        let fixture = try Fixture()
        let wrong = Retention(fixture.connection, centerMicros: { Self.micros() + Self.dayMicros })
        let old = try #require(try wrong.candidates(keepDays: 35).first)
        #expect(try wrong.drop(old, keepDays: 35) == nil)
        #expect(try fixture.scans() == 200)
        #expect(try wrong.drop(old, keepDays: 35, force: true) == 100)
    }

    @Test func alarmEndsWhenNoCenterHasARetention() throws {
        let fixture = try Fixture()
        try fixture.connection.execute("INSERT INTO tapline_internal.retention_alarm (detail) VALUES ('old')")
        let job = RetentionJob(MaintenanceSettings(), MaintenanceMetrics(Metrics()))
        try job.step(fixture.connection, StopSignal())
        #expect(try fixture.alarms() == [])
        #expect(try fixture.scans() == 200)
    }

    @Test func commandNeedsForceWhileNoBatchArrives() throws {
        let fixture = try Fixture()
        try fixture.connection.execute(
            "UPDATE tapline.journals SET last_received_at = now() - interval '8 days' WHERE id = 2000")
        func run(_ more: String...) throws -> Run {
            let url = fixture.ingest.database.url
            return try Run.it("tapline-center", ["retention", "--database-url", url, "--keep-days", "35"] + more)
        }
        for kept in [try run("--dry-run"), try run()] {
            #expect(kept.end == .exit(1))
            let line = "scan_runs_0_1999: 100 scans, 0 MB, kept: no batch was received since "
            #expect(kept.lines.first?.hasPrefix(line) == true)
            #expect(kept.errors.contains("nothing was dropped: no batch was received since "))
            #expect(kept.errors.contains("use --force"))
        }
        #expect(try fixture.scans() == 200)
        let forced = try run("--force")
        #expect(forced.end == .exit(0))
        #expect(forced.lines.first?.hasPrefix("--force overrides: no batch was received since ") == true)
        #expect(forced.lines.last == "scan_runs_0_1999: 100 scans, 0 MB, dropped")
        #expect(try fixture.scans() == 100)
    }
}
