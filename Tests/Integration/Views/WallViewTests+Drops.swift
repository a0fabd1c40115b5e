import Postgres
import TestSupport
import Testing

/// Sudden drops of the flow, and what hides them. In one transaction, so that no minute ends within a test.
extension WallViewTests {
    private func drop() throws -> [String] {
        try rows("SELECT before, now, percent, is_drop FROM tapline.gate_drops WHERE gate_id = 11")
    }

    /// Lets the flow of gate 11 fall from 100 to 80, whichever of the last minutes the intervals end with. The lanes of
    /// the gate are `s1` and `s5`.
    private func fall() throws {
        try connection.execute(
            """
            BEGIN;
            INSERT INTO tapline.scanners (id, gate_id) VALUES ('s5', 11);
            INSERT INTO tapline.journals (id, log, scanner_id, last_seq, next_seq, received, stored, state)
                VALUES (5, gen_random_uuid(), 's5', 900, 901, 900, 900, '{"gate": "running", "mode": "normal"}');
            UPDATE tapline.journals SET known_until = now(), last_received_at = now();
            """)
        try pass(11, minutesAgo: 8, in: 60, out: 40)
        try pass(11, minutesAgo: 3, in: 80)
    }

    /// Makes changes, compares the result, and takes them back.
    private func expect(_ isDrop: String, after changes: String, _ location: SourceLocation = #_sourceLocation) throws {
        try connection.execute("SAVEPOINT before; \(changes)")
        let found = try rows("SELECT is_drop FROM tapline.gate_drops WHERE gate_id = 11")
        #expect(found == [isDrop], "\(changes)", sourceLocation: location)
        try connection.execute("ROLLBACK TO before")
    }

    @Test func suddenDropIsFoundByTheSettingsOfTheGate() throws {
        try connection.execute("BEGIN; UPDATE tapline.journals SET known_until = now()")
        #expect(try drop() == ["0|0|-|f"])
        try pass(11, minutesAgo: 10, in: 60, out: 40)
        try pass(11, minutesAgo: 0, in: 500)
        try pass(11, minutesAgo: 11, in: 500)
        try pass(11, minutesAgo: 5, in: 81)
        #expect(try drop() == ["100|81|19|f"])
        try connection.execute("UPDATE tapline_internal.gate_flow SET passed_in = 80 WHERE passed_in = 81")
        #expect(try drop() == ["100|80|20|t"])
        for setting in ["drop_percent = 21", "drop_percent = NULL", "drop_minimum = 101"] {
            try expect("f", after: "UPDATE tapline.gates SET \(setting)")
        }
        try connection.execute("UPDATE tapline.gates SET drop_interval = '10 minutes' WHERE id = 11")
        // Minutes 1 to 10 against 11 to 20.
        #expect(try drop() == ["500|180|64|t"])
        #expect(throws: PostgresError.self) {
            try connection.execute("UPDATE tapline.gates SET drop_interval = '90 seconds'")
        }
    }

    @Test func batchesThatWaitedInTheBrokerAreNoDrop() throws {
        try fall()
        try expect("t", after: "")
        // The center was away for 40 minutes. What it has received says nothing of the last interval.
        try expect("-", after: "UPDATE tapline.journals SET known_until = now() - interval '40 minutes'")
        try expect("-", after: "UPDATE tapline.journals SET known_until = now() - interval '6 minutes'")
        // One lane has caught up; the other one has not reached the two intervals, or is in them.
        let other = "UPDATE tapline.journals SET backlog = 300, known_until = now() - interval"
        try expect("t", after: "\(other) '40 minutes' WHERE id = 5")
        try expect("-", after: "\(other) '9 minutes' WHERE id = 5")
        try expect("t", after: "\(other) '50 seconds' WHERE id = 5")
    }

    @Test func intervalsEndWhereAllTapsAreKnown() throws {
        try fall()
        try connection.execute(
            "UPDATE tapline.journals SET known_until = date_trunc('minute', now()) - interval '1 second' WHERE id = 5")
        // Its last minute is not complete: these people would be missing in it.
        try pass(11, minutesAgo: 1, in: 7)
        try pass(11, minutesAgo: 6, in: 9)
        let ago = "extract(minute FROM date_trunc('minute', now()) - until)::integer"
        #expect(
            try rows("SELECT \(ago), before, now FROM tapline.gate_drops WHERE gate_id = 11") == ["1|100|89"])
    }

    @Test func silentLaneHidesNoDropOfTheOthers() throws {
        try fall()
        let silent = "UPDATE tapline.journals SET last_received_at = now() - interval"
        try expect("-", after: "\(silent) '5 minutes' WHERE id = 5")
        // It was silent before both intervals.
        try expect("t", after: "\(silent) '15 minutes' WHERE id = 5")
        try expect("-", after: "\(silent) '15 minutes'")
        try expect("t", after: "DELETE FROM tapline.journals WHERE id = 5")
    }

    @Test func closedLaneHidesADropOnlyWhileItExplainsIt() throws {
        try fall()
        let close = #"UPDATE tapline.journals SET state = '{"gate": "running", "mode": "closed"}'"#
        try expect("t", after: "\(close) WHERE id = 5")
        try expect("f", after: close)
        func closed(_ minutes: Int, _ verdict: Int) -> String {
            """
            INSERT INTO tapline_internal.lane_event_log SELECT 5, 900, 0, at, \(verdict), 0, 11, at
            FROM (SELECT now() - interval '\(minutes) minutes' AS at) event
            """
        }
        try expect("f", after: closed(4, 130))
        try expect("t", after: closed(20, 130))
        // A lane that is opened adds people.
        try expect("t", after: closed(4, 128))
        try expect("-", after: closed(4, 129))
        try expect("-", after: #"UPDATE tapline.journals SET state = '{"mode": "free"}' WHERE id = 5"#)
    }

    @Test func stuckTurnstileIsADrop() throws {
        try fall()
        for state in [#"{"gate": "running", "turnstile": "away"}"#, #"{"gate": "stopped"}"#] {
            try expect("t", after: "UPDATE tapline.journals SET state = '\(state)' WHERE id = 5")
        }
        try expect("t", after: "UPDATE tapline.journals SET backlog = 1 WHERE id = 5")
    }

    @Test func missingScansWithinTheIntervalsAreNoDrop() throws {
        try fall()
        try expect("-", after: "UPDATE tapline.journals SET announced_seq = 910 WHERE id = 5")
        // After the gap, scan 900 was made.
        func gap(_ minutes: Int) throws {
            try connection.execute(
                """
                SAVEPOINT scans; UPDATE tapline.journals SET next_seq = 890, received = 899, stored = 899 WHERE id = 5;
                INSERT INTO tapline_internal.journal_gaps VALUES (5, 890, 899)
                """)
            try ScanRows.insert(
                connection,
                "SELECT 5, 900, 1, now() - interval '\(minutes) minutes', 0, 0, 11, 1, now()")
        }
        for (minutes, isDrop) in [(3, "-"), (20, "t")] {
            try gap(minutes)
            try expect(isDrop, after: "")
            try connection.execute("ROLLBACK TO scans")
        }
        func quarantined(_ minutes: Int, isHeartbeat: Bool = false) -> String {
            """
            INSERT INTO tapline.quarantine (last_received_at, routing_key, owner, reason, sha256, body, is_heartbeat)
            VALUES (now() - interval '\(minutes) minutes', 'scan.s5', 's5', 'range', sha256('a'), 'a', \(isHeartbeat))
            """
        }
        try expect("-", after: quarantined(3))
        try expect("t", after: quarantined(20))
        try expect("t", after: quarantined(3, isHeartbeat: true))
    }

    @Test func scansThatAreNotTrackedYetAreNoDrop() throws {
        try fall()
        func queued(_ minutes: Int) -> String {
            """
            INSERT INTO tapline_internal.tracking_queue (journal_id, first_seq, last_seq, earliest)
            VALUES (5, 1, 900, now() - interval '\(minutes) minutes')
            """
        }
        try expect("-", after: queued(4))
        try expect("-", after: queued(40))
        // Those of the present minute are always under way.
        try expect("t", after: queued(0))
    }
}
