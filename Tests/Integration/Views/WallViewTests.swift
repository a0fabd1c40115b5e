import Migrations
import Postgres
import TestSupport
import Testing

/// Tests the views of the live display over inserted rows. The event day began six hours before the test.
@Suite struct WallViewTests {
    let database: TestDatabase
    let connection: PostgresConnection

    init() throws {
        let floor = try ViewFloor()
        (database, connection) = (floor.database, floor.connection)
        try connection.execute(
            """
            INSERT INTO tapline.passes (id, name) VALUES (1, 'day'), (2, 'week');
            INSERT INTO tapline.attendees (id, name, category, pass_id) SELECT n, 'A ' || n,
                CASE WHEN n % 5 > 0 THEN 'c' || n % 5 END, CASE WHEN n % 7 > 0 THEN 1 + n % 2 END
                FROM generate_series(1, 60) n;
            INSERT INTO tapline.tags (tag_id, attendee_id) SELECT n, 1 + (n - 1) % 60 FROM generate_series(1, 90) n;
            INSERT INTO tapline.journals (id, log, scanner_id, last_seq, next_seq, received, stored, state)
                SELECT n, ('00000000-0000-0000-0000-00000000000' || n)::uuid, 's' || n, 900, 901, 900, 900,
                    '{"gate": "running", "mode": "normal"}' FROM generate_series(1, 4) n;
            INSERT INTO tapline_internal.centers (name, alive_at, listened_at, listening_since)
                VALUES ('1/1', now() + interval '1 hour', now() + interval '1 hour', now() - interval '1 hour');
            """)
    }

    /// Returns rows as texts joined by `|`, with `-` for NULL.
    func rows(_ sql: String) throws -> [String] { try connection.rows(sql) }

    /// Puts tags at gates at random times of this day and the day before, in any direction, many at the same time.
    func placeTags(_ random: inout TestRandom) throws {
        var values: [String] = []
        for tag in 1...100 where Bool.random(using: &random) {
            let minutes = [5, 10, 15, 300, 361, 500].randomElement(using: &random)!
            let (journal, direction) = (Int.random(in: 1...4, using: &random), Int.random(in: 0...1, using: &random))
            let gate = [11, 12, 13, 14, 99].randomElement(using: &random)!
            values.append(
                "(\(tag), now() - interval '\(minutes) minutes', \(journal), \(Int.random(in: 1...9, using: &random)), "
                    + "\(gate == 99 ? "NULL" : "\(gate)"), \(direction))")
        }
        guard !values.isEmpty else { return }
        try connection.execute(
            """
            TRUNCATE tapline_internal.tag_positions;
            INSERT INTO tapline_internal.tag_positions (tag_id, ordered_at, journal_id, seq, gate_id, direction)
            VALUES \(values.joined(separator: ", "))
            """)
    }

    /// Adds people to a slot of a gate, `minutesAgo` before the present one.
    func pass(_ gate: Int, minutesAgo: Int, in passedIn: Int = 0, out: Int = 0) throws {
        try connection.execute(
            """
            INSERT INTO tapline_internal.gate_flow (gate_id, slot, passed_in, passed_out, last_at)
            VALUES (\(gate), date_trunc('minute', now()) - interval '\(minutesAgo) minutes', \(passedIn), \(out), now())
            """)
    }

    @Test(arguments: TestRandom.seeds(2, of: 6)) func peopleAreCountedAsByLiveViews(seed: Int) throws {
        var random = TestRandom(seed)
        for _ in 0..<4 {
            try placeTags(&random)
            // Tags get other attendees, new ones, and none.
            let (tag, attendee) = (Int.random(in: 1...90, using: &random), Int.random(in: 1...60, using: &random))
            try connection.execute(
                """
                UPDATE tapline.tags SET attendee_id = \(attendee) WHERE tag_id = \(tag);
                DELETE FROM tapline.tags WHERE tag_id = \(1 + tag % 90);
                INSERT INTO tapline.tags (tag_id, attendee_id) VALUES (\(1_000 + tag), \(attendee)) ON CONFLICT DO NOTHING;
                """)
            let columns = "zone_id, name, parent_id, depth, path, inside, inside_total, capacity, lanes, lanes_silent"
            #expect(
                try rows("SELECT \(columns), heard_at FROM tapline.wall_zones")
                    == rows("SELECT \(columns), as_of FROM tapline.live_zones"))
            #expect(
                try rows(
                    """
                    SELECT (SELECT sum(arrived) FROM tapline.arrivals_by_category),
                        (SELECT sum(arrived) FROM tapline.arrivals_by_pass)
                    """) == rows("SELECT count(*), count(*) FROM tapline.live_delegates"))
            #expect(
                try rows(
                    """
                    SELECT rows_missing + rows_wrong FROM tapline_internal.rebuild_flow(false)
                    WHERE relation = 'shared_tags'
                    """) == ["0"])
        }
    }

    @Test func levelFollowsTheThresholdsOfTheZone() throws {
        let fullAlarms = "SELECT id FROM tapline_internal.live_counts() WHERE id LIKE 'zone-full%'"
        func level(inside: Int, _ settings: String = "") throws -> [String] {
            try connection.execute(
                """
                \(settings.isEmpty ? "" : "UPDATE tapline.zones SET \(settings) WHERE id = 2;")
                TRUNCATE tapline_internal.tag_positions;
                INSERT INTO tapline_internal.tag_positions (tag_id, ordered_at, journal_id, seq, gate_id, direction)
                    SELECT 5000 + n, now(), 2, n, 12, 0 FROM generate_series(1, \(inside)) n;
                """)
            return try rows("SELECT percent, level FROM tapline.wall_zones WHERE zone_id = 2")
        }
        #expect(try level(inside: 0) == ["0|go"])
        #expect(try level(inside: 79) == ["79|go"])
        #expect(try level(inside: 80) == ["80|busy"])
        #expect(try level(inside: 94) == ["94|busy"])
        #expect(try level(inside: 95) == ["95|full"])
        #expect(try level(inside: 95, "busy_percent = 96, full_percent = 110") == ["95|go"])
        #expect(try level(inside: 120) == ["120|full"])
        #expect(try level(inside: 1, "capacity = 0") == ["-|full"])
        #expect(try rows(fullAlarms) == ["zone-full:2"])
        // The closed zone is empty: the sign says FULL, and nothing rings.
        #expect(try level(inside: 0) == ["-|full"])
        #expect(try rows(fullAlarms) == [])
        #expect(try level(inside: 1, "capacity = NULL") == ["-|uncapped"])
        #expect(throws: PostgresError.self) { try level(inside: 1, "busy_percent = 97, full_percent = 96") }
    }

    @Test func timeUntilFullFollowsTheLastQuarterOfAnHour() throws {
        func state(_ zone: Int) throws -> [String] {
            try rows("SELECT net_hour, full_in_minutes FROM tapline.wall_zones WHERE zone_id = \(zone)")
        }
        #expect(try state(2) == ["0|-"])
        // The present minute, and those before the quarter, do not count.
        try pass(12, minutesAgo: 0, in: 500)
        try pass(12, minutesAgo: 16, in: 500)
        try pass(12, minutesAgo: 15, in: 20)
        try pass(12, minutesAgo: 1, in: 10, out: 5)
        #expect(try state(2) == ["100|60"])
        // The gate is within the site, and leads out of no other zone.
        #expect(try state(1) == ["0|-"])
        try pass(11, minutesAgo: 3, out: 30)
        #expect(try state(1) == ["-120|-"])
    }

    @Test func lanesAreSortedAsTheirConditions() throws {
        let states: [(state: String, condition: String, does: String)] = [
            (#"{"gate": "running", "mode": "normal"}"#, "ok", "open"),
            (#"{"gate": "running", "mode": "inspection"}"#, "ok", "open"),
            (#"{"gate": "stopped", "mode": "closed"}"#, "LANE DOWN", "down"),
            (#"{"gate": "running", "reader": "lost (usb)"}"#, "READER", "down"),
            (#"{"gate": "running", "alarms": "disk turnstile"}"#, "TURNSTILE", "down"),
            (#"{"gate": "running", "turnstile": "away"}"#, "TURNSTILE", "down"),
            (#"{"gate": "running", "mode": "closed", "alarms": "disk"}"#, "CLOSED", "closed"),
            (#"{"gate": "running", "mode": "free"}"#, "FREE", "free"),
            (#"{"gate": "running", "alarms": "disk"}"#, "DISK", "open"), ("{}", "UNREPORTED", "open"),
        ]
        for (state, condition, does) in states {
            try connection.query("UPDATE tapline.journals SET state = $1::text::jsonb WHERE id = 1", [.text(state)])
            let expected = "\(condition)|\(does)"
            #expect(
                try rows(
                    """
                    SELECT condition, does FROM tapline.scanner_health h JOIN tapline_internal.lanes l USING (scanner_id)
                    WHERE scanner_id = 's1'
                    """) == [expected], "\(state)")
            let counts = ["open", "free", "closed"].map { $0 == does ? "1" : "0" }.joined(separator: "|")
            #expect(
                try rows(
                    "SELECT lanes, lanes_open, lanes_free, lanes_closed FROM tapline.wall_gates WHERE gate_id = 11")
                    == ["1|\(counts)"], "\(state)")
        }
        try connection.execute(
            "UPDATE tapline_internal.centers SET stopped = true, alive_at = now(), listened_at = now()")
        #expect(
            try rows(
                "SELECT lanes, lanes_open, lanes_free, lanes_closed, lanes_silent FROM tapline.wall_gates WHERE gate_id = 11"
            ) == ["1|-|-|-|0"])
    }

    @Test func gatesCountAsLiveGates() throws {
        for minute in 0..<200 where minute % 3 == 0 {
            try pass(11 + minute % 4, minutesAgo: minute, in: minute, out: 1)
        }
        let columns = "gate_id, name, zone, from_zone, in_minute, out_minute, refused_minute, in_today, out_today,"
        #expect(
            try rows("SELECT \(columns) refused_today, lanes, lanes_silent, last_at FROM tapline.wall_gates")
                == rows("SELECT \(columns) refused_today, lanes, lanes_silent, last_at FROM tapline.live_gates"))
    }
}
