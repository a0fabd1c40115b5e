import Migrations
import Postgres
import TestSupport
import Testing

/// Tests the views over inserted rows. The event day began six hours before the test.
@Suite struct ViewTests {
    private struct Floor {
        let database: TestDatabase
        let connection: PostgresConnection

        init() throws {
            let floor = try ViewFloor()
            (database, connection) = (floor.database, floor.connection)
            try connection.execute(
                """
                INSERT INTO tapline.scanners (id, gate_id) VALUES ('s5', 12);
                INSERT INTO tapline.attendees (id, name, external_ref)
                    VALUES (1, 'Ada', 'A-1'), (2, 'Bob', 'B-2'), (3, 'Cem', 'C-3');
                INSERT INTO tapline.tags (tag_id, attendee_id) VALUES (101, 1), (102, 1), (201, 2), (301, 3);
                INSERT INTO tapline.journals (id, log, scanner_id, last_received_at) VALUES
                    (1, '00000000-0000-0000-0000-000000000001', 's1', now()),
                    (2, '00000000-0000-0000-0000-000000000002', 's2', now() - interval '5 seconds'),
                    (3, '00000000-0000-0000-0000-000000000003', 's3', now() - interval '2 minutes'),
                    (4, '00000000-0000-0000-0000-000000000004', 's4', now());
                """)
        }

        func scan(
            _ journal: Int, _ seq: Int, _ tag: Int, secondsAgo: Int, verdict: Int = 0, flags: Int = 0,
            gate: Int? = nil, receivedSecondsAgo: Int? = nil
        ) throws {
            try ScanRows.insert(
                connection,
                """
                VALUES (\(journal), \(seq), \(tag), now() - interval '\(secondsAgo) seconds', \(verdict), \(flags),
                    \(gate ?? journal + 10), 5, now() - interval '\(receivedSecondsAgo ?? secondsAgo) seconds')
                """)
        }

        /// Derives the tracked relations from the scans.
        func track() throws {
            try connection.execute("SELECT tapline_internal.rebuild_tracking(true)")
            try connection.execute("SELECT tapline_internal.refresh_double_admissions('-infinity')")
        }

        /// Puts a tag at the gate of a journal.
        func presence(_ tag: Int, secondsAgo: Int, journal: Int, seq: Int, out: Bool = false) throws {
            try connection.execute(
                """
                INSERT INTO tapline_internal.tag_positions (tag_id, ordered_at, journal_id, seq, gate_id, direction)
                VALUES (\(tag), now() - interval '\(secondsAgo) seconds', \(journal), \(seq), \(journal + 10),
                    \(out ? 1 : 0))
                """)
        }

        /// Returns rows as texts joined by `|`, with `-` for NULL.
        func rows(_ sql: String) throws -> [String] { try connection.rows(sql) }
    }

    @Test func zonesCountPeopleByTheirLatestScan() throws {
        let floor = try Floor()
        try floor.presence(101, secondsAgo: 300, journal: 2, seq: 1)
        try floor.presence(102, secondsAgo: 200, journal: 3, seq: 1)
        try floor.presence(201, secondsAgo: 100, journal: 2, seq: 2)
        try floor.presence(999, secondsAgo: 90, journal: 1, seq: 1)
        try floor.presence(998, secondsAgo: 90, journal: 1, seq: 2)
        // A person off site, and a tag of the previous day.
        try floor.presence(301, secondsAgo: 50, journal: 1, seq: 3, out: true)
        try floor.presence(997, secondsAgo: 7 * 3_600, journal: 4, seq: 1)
        #expect(
            try floor.rows(
                """
                SELECT name, inside, inside_total, capacity, lanes, lanes_silent, now() - as_of < interval '1 minute'
                FROM tapline.live_zones ORDER BY zone_id
                """) == [
                    // s5 is a lane of the hall door and was never heard. s3 is silent for two minutes.
                    "site|2|4|1000|4|2|t", "hall|1|2|100|3|2|t", "room|1|1|10|1|1|-", "annex|0|0|-|1|0|t",
                ])
        #expect(
            try floor.rows("SELECT name, zone, gate FROM tapline.live_delegates ORDER BY name NULLS LAST, tag_id") == [
                "Ada|room|room door", "Bob|hall|hall door", "Cem|-|main", "-|site|main", "-|site|main",
            ])
    }

    @Test func gatesCountPassagesByTheTimeOfTheTap() throws {
        let floor = try Floor()
        // An old tap that arrives late does not count in the last minute.
        try floor.scan(1, 1, 101, secondsAgo: 3_600, receivedSecondsAgo: 0)
        try floor.scan(1, 2, 201, secondsAgo: 30)
        try floor.scan(1, 3, 201, secondsAgo: 29, verdict: 64)
        try floor.scan(1, 4, 201, secondsAgo: 28)
        try floor.scan(1, 5, 301, secondsAgo: 20, verdict: 3)
        try floor.scan(1, 6, 101, secondsAgo: 15, flags: 16)
        try floor.scan(1, 7, 101, secondsAgo: 10, flags: 1)
        try floor.scan(1, 8, 0, secondsAgo: 9, verdict: 133)
        try floor.scan(1, 9, 201, secondsAgo: 7 * 3_600)
        try floor.track()
        #expect(
            try floor.rows(
                """
                SELECT name, in_minute, out_minute, refused_minute, in_today, out_today, refused_today, annulled_today,
                    untapped_today, lanes, lanes_silent
                FROM tapline.live_gates WHERE gate_id IN (11, 12) ORDER BY gate_id
                """) == ["main|1|1|1|2|1|1|1|1|1|0", "hall door|0|0|0|0|0|0|0|0|2|1"])
    }

    @Test func trackOrdersTheScansOfAllTagsOfAPerson() throws {
        let floor = try Floor()
        try floor.scan(2, 1, 101, secondsAgo: 100)
        try floor.scan(1, 1, 102, secondsAgo: 200)
        try floor.scan(2, 2, 101, secondsAgo: 90, verdict: 64)
        // The device clock is an hour ahead, so the time of receipt determines the order.
        try floor.scan(2, 3, 101, secondsAgo: -3_600, flags: 1, receivedSecondsAgo: 80)
        try floor.scan(2, 4, 201, secondsAgo: 70)
        try floor.track()
        #expect(
            try floor.rows(
                """
                SELECT attendee_id, name, gate, zone, direction, verdict_name, counts
                FROM tapline.delegate_track WHERE external_ref = 'A-1'
                """) == [
                    "1|Ada|main|site|in|admitted|t", "1|Ada|hall door|hall|in|admitted|f",
                    "1|Ada|hall door|hall|in|annulled|f", "1|Ada|hall door|site|out|admitted|t",
                ])
    }

    @Test func doubleAdmissionsNameBothGates() throws {
        let floor = try Floor()
        // Ada enters the hall with both bands. Bob's first admission is annulled. Cem exits between his, or is a day apart.
        try floor.scan(2, 1, 101, secondsAgo: 100)
        try floor.scan(4, 1, 102, secondsAgo: 90, gate: 12)
        try floor.scan(2, 2, 201, secondsAgo: 80)
        try floor.scan(2, 3, 201, secondsAgo: 79, verdict: 64)
        try floor.scan(2, 4, 201, secondsAgo: 78)
        try floor.scan(2, 5, 301, secondsAgo: 8 * 3_600)
        try floor.scan(2, 6, 301, secondsAgo: 70)
        try floor.scan(2, 7, 301, secondsAgo: 69, flags: 1)
        try floor.scan(2, 8, 301, secondsAgo: 68)
        try floor.scan(2, 9, 301, secondsAgo: 67, flags: 16)
        try floor.scan(3, 1, 301, secondsAgo: 66)
        try floor.track()
        #expect(
            try floor.rows(
                """
                SELECT name, zone, first_gate, first_scanner_id, second_gate, second_scanner_id, round(extract(epoch FROM apart))
                FROM tapline.double_admissions
                """) == ["Ada|hall|hall door|s2|hall door|s4|10"])
        // A tag that is not registered counts as a person.
        try floor.scan(2, 10, 999, secondsAgo: 60)
        try floor.scan(2, 11, 998, secondsAgo: 60)
        try floor.scan(2, 12, 999, secondsAgo: 50)
        try floor.track()
        #expect(
            try floor.rows("SELECT name, second_tag_id FROM tapline.double_admissions WHERE name IS NULL") == ["-|999"])
    }

    @Test func gapsAreListedUntilFilledOrAccepted() throws {
        let floor = try Floor()
        try floor.connection.execute(
            """
            UPDATE tapline.journals SET last_seq = 10, next_seq = 4, received = 12, stored = 6, duplicates = 5,
                conflicts = 1, announced_seq = 12 WHERE id = 1;
            INSERT INTO tapline_internal.journal_gaps (journal_id, first_seq, last_seq) VALUES (1, 4, 6), (1, 8, 8);
            """)
        let gaps = "SELECT scanner_id, first_seq, last_seq, missing, kind FROM tapline.seq_gaps ORDER BY first_seq"
        #expect(try floor.rows(gaps) == ["s1|4|6|3|gap", "s1|8|8|1|gap", "s1|11|12|2|tail"])
        let balance = "SELECT balanced, missing FROM tapline.ingest_balance WHERE journal_id = 1"
        #expect(try floor.rows(balance) == ["t|4"])
        #expect(try floor.rows("SELECT gaps FROM tapline.scanner_health WHERE scanner_id = 's1'") == ["6"])
        #expect(try floor.rows("SELECT tapline.accept_gap(1, 4, 6)") == ["1"])
        #expect(try floor.rows("SELECT tapline.accept_gap(1, 11, 12)") == ["1"])
        #expect(try floor.rows(gaps) == ["s1|8|8|1|gap"])
        #expect(throws: PostgresError.self) { try floor.rows("SELECT tapline.accept_gap(1, 4, 6)") }
        #expect(try floor.rows(balance) == ["t|4"])
        try floor.connection.execute(
            "UPDATE tapline.journals SET stored = 5, duplicates = 6 WHERE id = 1")
        #expect(try floor.rows(balance) == ["f|4"])
        #expect(throws: PostgresError.self) {
            try floor.connection.execute("UPDATE tapline.journals SET stored = stored - 1 WHERE id = 1")
        }
    }

    @Test func scannerHealthShowsSilenceBacklogAndClockSkew() throws {
        let floor = try Floor()
        try floor.connection.execute(
            """
            INSERT INTO tapline.snapshots VALUES (5, now() - interval '1 day', now() + interval '1 day', 1, 1,
                repeat('ab', 32), 'snapshot-5.sqlite'), (6, now(), now() + interval '1 day', 1, 1, repeat('cd', 32), 'x');
            UPDATE tapline.journals SET snapshot_version = 5, backlog = 77, clock_skew = '-6 minutes' WHERE id = 1;
            UPDATE tapline.journals SET snapshot_version = 6 WHERE id = 2;
            INSERT INTO tapline.quarantine (routing_key, scanner_id, reason, sha256, body)
                VALUES ('scan.s2', 's2', 'malformed', sha256('x'), 'x');
            """)
        #expect(
            try floor.rows(
                """
                SELECT scanner_id, gate, silent, backlog, snapshot_version, date_trunc('day', snapshot_age),
                    snapshot_outdated, clock_wrong, quarantined
                FROM tapline.scanner_health WHERE scanner_id IN ('s1', 's2', 's3', 's5')
                """) == [
                    "s1|main|f|77|5|1 day|t|t|0", "s2|hall door|f|0|6|00:00:00|f|f|1", "s3|room door|t|0|0|-|t|f|0",
                    "s5|hall door|t|-|-|-|f|f|0",
                ])
    }

    @Test func impossibleAnnouncedSeqBreaksNoView() throws {
        let floor = try Floor()
        try floor.connection.execute(
            """
            INSERT INTO tapline.journals (id, log, scanner_id, announced_seq)
            SELECT n, gen_random_uuid(), 's1', 9007199254740991 FROM generate_series(1001, 2100) AS n
            """)
        let gaps = try floor.connection.query("SELECT gaps FROM tapline.scanner_health WHERE scanner_id = 's1'")
        #expect(gaps.int(0, 0) == 9_007_199_254_740_991)
    }

    @Test func presenceFollowsTheRegistry() throws {
        let floor = try Floor()
        try floor.presence(101, secondsAgo: 10, journal: 1, seq: 1)
        try floor.presence(555, secondsAgo: 10, journal: 2, seq: 1)
        try floor.connection.execute(
            """
            UPDATE tapline.tags SET attendee_id = 2 WHERE tag_id = 101;
            INSERT INTO tapline.tags (tag_id, attendee_id) VALUES (555, 3);
            UPDATE tapline.gates SET zone_id = 4 WHERE id = 11;
            """)
        let presence = "SELECT tag_id, attendee_id, zone_id FROM tapline.presence ORDER BY tag_id"
        #expect(try floor.rows(presence) == ["101|2|4", "555|3|2"])
        try floor.connection.execute("DELETE FROM tapline.tags WHERE tag_id = 555")
        #expect(try floor.rows(presence) == ["101|2|4", "555|-|2"])
    }

    @Test func registryRulesHoldForPlainSQL() throws {
        let floor = try Floor()
        for wrong in [
            "UPDATE tapline.zones SET parent_id = 3 WHERE id = 1",
            "UPDATE tapline.zones SET parent_id = 1 WHERE id = 1",
            #"UPDATE tapline.gates SET policy = '{"antipassback": "maybe"}'"#,
            #"UPDATE tapline.gates SET policy = '{"antipassback": "timed"}'"#,
            #"UPDATE tapline.gates SET policy = '{"minutes": "5"}'"#,
            #"UPDATE tapline.gates SET policy = '{"speed": 5}'"#,
            "UPDATE tapline.gates SET policy = '[]'",
            "INSERT INTO tapline.scanners (id) VALUES ('-x')",
            "INSERT INTO tapline.scanners (id) VALUES ('ümlaut')",
            "INSERT INTO tapline.tags (tag_id, attendee_id) VALUES (0, 1)",
            "UPDATE tapline.attendees SET status = 'asleep'",
        ] {
            let error = try #require(throws: PostgresError.self, "\(wrong)") { try floor.connection.execute(wrong) }
            #expect(error.isDataError)
        }
        try floor.connection.execute(
            """
            UPDATE tapline.gates SET policy = '{"antipassback": "timed", "minutes": 5, "debounce_ms": 0,
                "tolerance_s": 60, "no_snapshot": "admit", "expired": "deny", "uid_only": false}';
            INSERT INTO tapline.zones (name) VALUES ('next');
            """)
        #expect(try floor.rows("SELECT id FROM tapline.zones WHERE name = 'next'") == ["5"])
    }
}
