import Postgres
import TestSupport
import Testing

/// What is missing in the counts of a zone.
extension WallViewTests {
    private static let columns = "lanes, lanes_silent, lanes_late, unsent, missing, untracked, quarantined"

    /// Makes changes, compares the site and the annex, and takes the changes back. The site has the lanes 1 to 3.
    private func expect(
        _ site: String, _ annex: String = "1|0|0|0|0|0|0", after changes: String,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        try connection.execute("BEGIN; \(changes)")
        let found = try rows("SELECT \(Self.columns) FROM tapline.wall_zones WHERE zone_id IN (1, 4) ORDER BY zone_id")
        #expect(found == [site, annex], "\(changes)", sourceLocation: location)
        try connection.execute("ROLLBACK")
    }

    @Test func zoneSaysWhatIsMissingInItsCount() throws {
        try expect("3|0|0|0|0|0|0", after: "")
        try expect("3|0|0|17|0|0|0", after: "UPDATE tapline.journals SET backlog = 17 WHERE id = 2")
        // It is heard, by batches that have waited in the broker for an hour.
        try expect(
            "3|0|1|0|0|0|0", after: "UPDATE tapline.journals SET known_until = now() - interval '1 hour' WHERE id = 3")
        try expect("3|0|1|0|0|0|0", after: "UPDATE tapline.journals SET known_until = '-infinity' WHERE id = 3")
        try expect(
            "3|1|0|0|0|0|0",
            after: "UPDATE tapline.journals SET last_received_at = now() - interval '1 hour' WHERE id = 3")
        try expect("3|0|0|0|10|0|0", after: "UPDATE tapline.journals SET announced_seq = 910 WHERE id = 1")
        let queue = "INSERT INTO tapline_internal.tracking_queue VALUES (2, 1, 8, clock_timestamp() - interval"
        try expect("3|0|0|0|0|8|0", after: "\(queue) '9 seconds')")
        try expect("3|0|0|0|0|0|0", after: "\(queue) '1 second')")
        let batch = "INSERT INTO tapline.quarantine (routing_key, owner, reason, sha256, body) VALUES ('scan.s4',"
        try expect("3|0|0|0|0|0|0", "1|0|0|0|0|0|1", after: "\(batch) 's4', 'range', sha256('a'), 'a')")
        try expect("3|0|0|0|0|0|0", after: "\(batch) 'other', 'range', sha256('a'), 'a')")
    }

    @Test func lossesOfFormerDaysDoNotCountToday() throws {
        try expect(
            "3|1|0|0|0|0|0",
            after:
                """
                UPDATE tapline.journals SET announced_seq = 910, last_received_at = now() - interval '9 hours'
                WHERE id = 1
                """
        )
        try expect(
            "3|0|0|0|0|0|0",
            after: """
                INSERT INTO tapline.quarantine (last_received_at, routing_key, owner, reason, sha256, body)
                VALUES (now() - interval '9 hours', 'scan.s1', 's1', 'range', sha256('a'), 'a')
                """)
    }

    @Test func laneThatWasNeverHeardIsSilentAndNotZero() throws {
        try expect(
            "4|1|0|5|0|0|0",
            after:
                """
                INSERT INTO tapline.scanners (id, gate_id) VALUES ('s5', 11);
                UPDATE tapline.journals SET backlog = 5 WHERE id = 1
                """
        )
        try expect("3|0|0|0|0|0|0", "1|1|0|-|0|0|0", after: "DELETE FROM tapline.journals WHERE id = 4")
        try expect(
            "3|0|0|0|0|0|0", "0|0|0|-|0|0|0", after: "UPDATE tapline.scanners SET enabled = false WHERE id = 's4'")
    }

    @Test func zoneIsHeardUpToItsLatestLane() throws {
        func heard() throws -> [String] {
            try rows("SELECT now() - heard_at FROM tapline.wall_zones WHERE zone_id IN (1, 4) ORDER BY zone_id")
        }
        try connection.execute("BEGIN; UPDATE tapline.journals SET known_until = now(), last_received_at = now()")
        #expect(try heard() == ["00:00:00", "00:00:00"])
        try connection.execute("UPDATE tapline.journals SET known_until = now() - interval '7 minutes' WHERE id = 2")
        #expect(try heard() == ["00:07:00", "00:00:00"])
        #expect(
            try rows("SELECT now() - as_of FROM tapline.live_zones WHERE zone_id IN (1, 4) ORDER BY zone_id")
                == ["00:07:00", "00:00:00"])
        #expect(
            try rows("SELECT since < now() - interval '6 minutes' FROM tapline.unsettled_spans WHERE scanner_id = 's2'")
                == ["t"])
        try connection.execute(
            """
            UPDATE tapline.journals SET known_until = '-infinity' WHERE id = 2;
            DELETE FROM tapline.journals WHERE id IN (1, 3)
            """
        )
        #expect(try heard() == ["-", "00:00:00"])
    }
}
