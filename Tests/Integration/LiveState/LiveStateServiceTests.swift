import LinuxSystem
import Postgres
import Runtime
import TestSupport
import Testing

@testable import LiveState

/// Tests the live state with a real database.
@Suite struct LiveStateServiceTests {
    /// A running live state, its frames and its viewers.
    private final class Display: Sendable {
        let frames = Recorder<String>()
        let metrics = Metrics()
        let state: LiveState
        private let viewers = Gauge()
        private let service: RunningService

        init(_ url: String) {
            let up = LiveState.Server(isConnected: true, sinceS: 1_780_272_000, problem: nil)
            let (frames, viewers) = (frames, viewers)
            state = LiveState(
                databaseURL: url, metrics: metrics, broker: { up }, database: { up }, isBacklog: { false },
                viewers: { viewers.value },
                queues: { LiveState.Queues(ready: 3, unacked: 2, dead: 0) },
                publish: { frames.record(String(decoding: $0, as: UTF8.self)) })
            service = RunningService(state.service())
        }

        func show(to count: Int) { viewers.set(count) }

        func end() throws { try service.end() }

        /// Waits for a frame after the present ones that holds a text.
        func await(_ text: String) throws {
            let before = frames.all.count
            try eventually("a frame with \(text)") { frames.all.dropFirst(before).contains { $0.contains(text) } }
        }

        /// The value of a metric; `nil` without a sample.
        func metric(_ name: String) -> String? {
            metrics.render().split(separator: "\n").first { $0.hasPrefix(name + " ") }.map {
                String($0.dropFirst(name.utf8.count + 1))
            }
        }
    }

    private func fixture() throws -> IngestFixture {
        let fixture = try IngestFixture()
        try fixture.connection.execute(
            """
            UPDATE tapline.zones SET capacity = 10 WHERE id = 1;
            INSERT INTO tapline.journals (id, log, scanner_id, last_seq, next_seq, received, stored)
                VALUES (1, gen_random_uuid(), 's-1', 9, 10, 9, 9);
            INSERT INTO tapline_internal.tag_positions (tag_id, ordered_at, journal_id, seq, gate_id, direction)
                SELECT n, now(), 1, n, 1, 0 FROM generate_series(1, 18) n;
            INSERT INTO tapline_internal.refusal_flow SELECT 1, date_trunc('minute', now()), 8, 4;
            """)
        return fixture
    }

    @Test func singleRequestGetsAllParts() throws {
        let fixture = try fixture()
        let display = Display(fixture.url)
        let frames = Recorder<[UInt8]?>()
        display.state.frame { frames.record($0) }
        try eventually("the frame") { !frames.all.isEmpty }
        let frame = String(decoding: try #require(frames.all[0]), as: UTF8.self)
        // Eighteen tags are nine people.
        #expect(
            frame.contains(
                #""id":1,"name":"hall","depth":0,"inside":9,"inside_total":9,"capacity":10,"percent":90,"busy_at":80,"#
            ), "\(frame)")
        #expect(frame.contains(#""rows":[{"verdict":8,"reason":"lost","day":4,"hour":4}]"#))
        #expect(frame.contains(#""key":"zone-busy","args":{"zone":"hall","percent":90,"inside":9,"capacity":10}"#))
        #expect(frame.contains(#""queue_ready":3,"queue_unacked":2,"scans_s":null,"dead":0,"quarantine_batches":0"#))
        #expect(frame.contains(#""counts":{"never-heard":3,"#) && frame.contains(#""arrived":9,"#))
        for part in ["event", "zones", "gates", "sparks", "arrivals", "refused", "doubles", "fleet", "ingest"] {
            #expect(frame.contains("\"\(part)\":{"), "\(part)")
        }
        // A frame is there now.
        try eventually("a frame without a wait") { display.state.newest != nil }
        #expect(display.state.fleet.map { String(decoding: $0, as: UTF8.self).contains(#""id":"s-off""#) } == true)
        try display.end()
        display.state.frame { frames.record($0) }
        try eventually("an answer after the end") { frames.all.count == 2 }
    }

    @Test func manyViewersShareOneComputationASecond() throws {
        let fixture = try fixture()
        let display = Display(fixture.url)
        display.show(to: 500)
        let start = SystemClock.monotonicMs()
        func counts() -> Int {
            display.metric("tapline_live_computations_total{part=\"counts\"}").flatMap(Int.init) ?? 0
        }
        try eventually("three computations") {
            for _ in 0..<100 { _ = display.state.newest }
            return counts() >= 3
        }
        let elapsedMs = SystemClock.monotonicMs() - start
        #expect(counts() <= 1 + Int(elapsedMs / 1_000))
        // Each new person is in one of the next frames.
        try fixture.connection.execute(
            "INSERT INTO tapline_internal.tag_positions VALUES (39, now(), 1, 99, 1, 0)")
        try display.await(#""inside":10,"inside_total":10"#)
        try display.end()
    }

    @Test func lostDatabaseIsSaidWithinFiveSecondsAndHeals() throws {
        let fixture = try fixture()
        let display = Display(fixture.url)
        display.show(to: 1)
        try display.await(#""database":{"ok":true"#)
        try display.await(#""arrivals":{"#)
        let name = fixture.database.name
        let administrator = try TestServers.databaseURL()
        try Psql.run(
            administrator,
            """
            ALTER DATABASE "\(name)" ALLOW_CONNECTIONS false;
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = '\(name)' AND application_name = 'tapline-center live state';
            """)
        let lost = SystemClock.monotonicMs()
        try display.await(#""key":"database-away""#)
        #expect(SystemClock.monotonicMs() - lost < 5_000)
        // The last known numbers stay, with their time.
        #expect(display.frames.all.last?.contains(#""inside_total":9"#) == true)
        #expect(display.frames.all.last?.contains(#""centers":null"#) == true)
        try Psql.run(administrator, "ALTER DATABASE \"\(name)\" ALLOW_CONNECTIONS true")
        try display.await(#""database":{"ok":true"#)
        try display.end()
    }

    /// The clock of the database is 11 s ahead of the center's.
    @Test func agesAreThoseOfOneClock() throws {
        let fixture = try fixture()
        try fixture.connection.execute(
            """
            CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql STABLE AS
                $$ SELECT pg_catalog.now() + interval '11 seconds' $$;
            CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
                $$ SELECT pg_catalog.clock_timestamp() + interval '11 seconds' $$;
            ALTER DATABASE "\(fixture.database.name)" SET search_path = public, pg_catalog
            """)
        let display = Display(fixture.url)
        let frames = Recorder<[UInt8]?>()
        display.state.frame { frames.record($0) }
        try eventually("the frame") { !frames.all.isEmpty }
        let frame = String(decoding: try #require(frames.all[0]), as: UTF8.self)
        func micros(_ name: String) throws -> Int64 {
            let rest = try #require(frame.firstRange(of: "\(name)\":\"")).upperBound
            return try #require(UTCTime.microseconds(String(frame[rest...].prefix { $0 != "\"" })))
        }
        let at = try micros("\"at")
        for part in ["zones", "ingest", "fleet", "arrivals"] {
            let age = at - (try micros("\"\(part)\":{\"as_of"))
            #expect((0..<5_000_000).contains(age), "\(part): \(age) µs")
        }
        #expect(at - SystemClock.nowMicroseconds() > 6_000_000)
        try display.end()
    }

    @Test func unpublishedListIsSaid() throws {
        let fixture = try fixture()
        let display = Display(fixture.url)
        display.show(to: 1)
        try display.await(#""id":"snapshot-none","level":"alarm""#)
        try fixture.connection.execute(
            "UPDATE tapline.scanners SET enabled = false; DELETE FROM tapline.tags; DELETE FROM tapline.attendees")
        try display.await(#""id":"snapshot-none","level":"warn""#)
        try fixture.connection.execute(
            """
            INSERT INTO tapline.snapshots (version, expires_at, attendees, size, sha256, file)
                VALUES (5, now() + interval '1 day', 1, 1, repeat('ab', 32), 'f')
            """)
        try eventually("no alarm") { display.frames.all.last?.contains("snapshot-none") == false }
        try display.end()
    }

    @Test func slowPartDelaysNoOther() throws {
        let fixture = try fixture()
        // Arrivals wait for this transaction until their time limit.
        try fixture.connection.execute("BEGIN; LOCK TABLE tapline.attendees IN ACCESS EXCLUSIVE MODE")
        let display = Display(fixture.url)
        display.show(to: 1)
        try eventually("three computations of the counts beside one that is cancelled") {
            display.metric("tapline_live_computations_total{part=\"counts\"}").flatMap(Int.init) ?? 0 >= 3
        }
        let last = try #require(display.frames.all.last)
        #expect(last.contains(#""inside_total":9"#) && last.contains(#""arrivals":null"#))
        #expect(last.contains(#""database":{"ok":true"#))
        try display.await(#""id":"flow-late","level":"warn""#)
        try fixture.connection.execute("ROLLBACK")
        try display.end()
    }

    @Test func metricsHaveTheNumbersOfTheState() throws {
        let fixture = try fixture()
        let display = Display(fixture.url)
        #expect(display.metric("tapline_zone_inside{zone=\"hall\"}") == nil)
        try eventually("metrics of all parts") {
            display.metric("tapline_zone_inside{zone=\"hall\"}") == "9.0"
                && display.metric("tapline_fleet{state=\"never-heard\"}") == "3.0"
                && display.metric("tapline_tracking_lag_seconds") == "0.0"
                && display.metric("tapline_live_age_seconds{part=\"flow\"}") != nil
        }
        #expect(display.metric("tapline_zone_capacity{zone=\"hall\"}") == "10.0")
        #expect(display.metric("tapline_zone_capacity{zone=\"stage\"}") == nil)
        #expect(display.metric("tapline_gate_passages_total{gate=\"door\",direction=\"in\"}") == "0.0")
        #expect(display.metric("tapline_snapshot_version") == nil)
        #expect(display.metric("tapline_queue_messages{state=\"ready\"}") == "3.0")
        #expect(display.metric("tapline_attendees_arrived") == "9.0")
        // A zone that is removed has no samples, and one that is renamed has others.
        try fixture.connection.execute("UPDATE tapline.zones SET name = 'great hall' WHERE id = 1")
        display.show(to: 1)
        try eventually("the new name") {
            display.metric("tapline_zone_inside{zone=\"great hall\"}") == "9.0"
                && display.metric("tapline_zone_inside{zone=\"hall\"}") == nil
        }
        try display.end()
    }
}
