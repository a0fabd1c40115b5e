import Postgres
import TestSupport
import Testing

/// Arrivals, refusals and the fleet.
extension WallViewTests {
    @Test func arrivalsCountExpectedAttendees() throws {
        try connection.execute(
            """
            UPDATE tapline.attendees SET status = 'blocked' WHERE id = 3;
            INSERT INTO tapline_internal.tag_positions (tag_id, ordered_at, journal_id, seq, gate_id, direction) VALUES
                (1, now(), 1, 1, 11, 0), (61, now(), 1, 2, 11, 0), (3, now(), 1, 3, 11, 1), (777, now(), 1, 4, 11, 0),
                (4, now() - interval '7 hours', 1, 5, 11, 0);
            """)
        #expect(
            try rows(
                "SELECT category, arrived, expected FROM tapline.arrivals_by_category ORDER BY category NULLS LAST")
                == [
                    // Every seventh attendee has no pass. Attendee 3 is blocked, and was here.
                    "c1|1|10", "c2|0|10", "c3|1|10", "c4|0|10", "-|1|11",
                ])
        #expect(
            try rows("SELECT pass, arrived, expected FROM tapline.arrivals_by_pass ORDER BY pass NULLS LAST")
                == ["day|0|26", "week|2|25", "-|1|0"])
    }

    @Test func arrivalCurveCountsEntriesFromOffSite() throws {
        try pass(11, minutesAgo: 1, in: 5, out: 3)
        try pass(14, minutesAgo: 2, in: 2)
        try pass(12, minutesAgo: 2, in: 100)
        try pass(11, minutesAgo: 24 * 60, in: 40)
        try pass(11, minutesAgo: 24 * 60 + 359, in: 1)
        let curve = "SELECT count(*), sum(entries), min(slot) = date_trunc('minute', tapline.day_start())"
        // The day began six hours ago: 24 quarters, and a part of one if the second of the minute has not passed.
        #expect(try ["24|7|t", "25|7|t"].contains(rows("\(curve) FROM tapline.arrival_curve()").first))
        #expect(
            try rows(
                """
                SELECT count(*), sum(entries) FROM tapline.arrival_curve(
                    ((now() AT TIME ZONE 'UTC') - (SELECT day_start FROM tapline.event_settings))::date - 1)
                """) == ["96|41"])
        #expect(try rows("SELECT count(*) FROM tapline.arrival_curve('2100-01-01')") == ["0"])
    }

    @Test func refusalsAreSummedByReason() throws {
        try connection.execute(
            """
            INSERT INTO tapline_internal.refusal_flow (gate_id, slot, verdict, refused)
            SELECT gate, date_trunc('minute', now()) - ago * interval '1 minute', verdict, n FROM (VALUES
                (11, 0, 3, 2), (12, 59, 3, 5), (11, 60, 3, 100), (11, 61, 8, 7), (11, 361, 8, 1000)) AS r(gate, ago, verdict, n)
            """)
        #expect(
            try rows("SELECT verdict, reason, refused_today, refused_hour FROM tapline.refusals_by_reason")
                == ["3|no-access|107|7", "8|lost|7|0"])
    }

    @Test func fleetStatesNameBacklogAndCondition() throws {
        try connection.execute(
            """
            INSERT INTO tapline.scanners (id, enabled) VALUES ('s5', true), ('s6', false);
            UPDATE tapline.journals SET backlog = 20 WHERE id = 1;
            UPDATE tapline.journals SET backlog = 19 WHERE id = 2;
            UPDATE tapline.journals SET state = '{"gate": "stopped"}', backlog = 500 WHERE id = 3;
            UPDATE tapline.journals SET last_received_at = now() - interval '5 minutes' WHERE id = 4;
            """)
        try ScanRows.insert(connection, "VALUES (1, 900, 5, now() - interval '40 seconds', 0, 0, 11, 5, now())")
        #expect(
            try rows(
                """
                SELECT scanner_id, state, place, backlog, round(extract(epoch FROM now() - unsent_since))
                FROM tapline.fleet_states
                """) == [
                    "s1|catching-up|15|20|40", "s2|live|17|19|-", "s3|lane-down|5|500|-", "s4|silent|2|0|-",
                    "s5|never-heard|1|-|-", "s6|disabled|18|-|-",
                ])
        // Every condition has a place.
        #expect(
            try rows(
                """
                SELECT c FROM unnest(tapline_internal.scanner_conditions()) c WHERE c NOT IN ('ok', 'OUTDATED')
                    AND array_position(tapline_internal.fleet_order(), replace(lower(c), ' ', '-')) IS NULL
                """) == [])
    }

    @Test func liveFunctionsReturnJSONInOneLine() throws {
        var random = TestRandom(3)
        try placeTags(&random)
        try connection.execute(#"UPDATE tapline.zones SET name = E'a "quoted"\nname', capacity = 1 WHERE id = 3"#)
        for function in ["live_counts", "live_flow", "live_ingest"] {
            let parts = try rows(
                """
                SELECT part, content::json IS NOT NULL, content LIKE E'%\\n%' FROM tapline_internal.\(function)()
                WHERE part <> 'alarm'
                """)
            #expect(parts.count >= 2)
            #expect(parts.allSatisfy { $0.hasSuffix("|t|f") }, "\(parts)")
        }
        // Settings change no snapshot.
        try connection.execute("TRUNCATE tapline_internal.registry_changes")
        try connection.execute("UPDATE tapline.gates SET drop_percent = 5; UPDATE tapline.zones SET busy_percent = 5")
        #expect(try rows("SELECT count(*) FROM tapline_internal.registry_changes") == ["0"])
    }
}
