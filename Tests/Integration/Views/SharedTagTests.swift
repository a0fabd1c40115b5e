import Postgres
import TestSupport
import Testing

/// Tests how the tags of people with several are noted when transactions overlap.
struct SharedTagTests {
    private let database: TestDatabase
    private let first: PostgresConnection
    private let observer: PostgresConnection

    init() throws {
        database = try TestDatabase.migrated()
        (first, observer) = (try database.connect(), try database.connect())
        try observer.execute(
            """
            INSERT INTO tapline.attendees (id, name) VALUES (1, 'Ada'), (2, 'Bob');
            INSERT INTO tapline.tags VALUES (20, 2)
            """)
    }

    /// Neither of the two statements sees the tag of the other one.
    @Test(arguments: [
        "INSERT INTO tapline.tags VALUES (11, 1)", "UPDATE tapline.tags SET attendee_id = 1 WHERE tag_id = 20",
    ])
    func tagsOfTwoTransactionsAreBothNoted(_ statement: String) throws {
        try first.execute("BEGIN; INSERT INTO tapline.tags VALUES (10, 1)")
        let second = try ChildProcess(
            "psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement, database.url], output: .null)
        try eventually("the second statement waits or has ended", everyMs: 10) {
            let waiting = try observer.query(
                "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
            return second.end != nil || waiting.rowCount > 0
        }
        try first.execute("COMMIT")
        try eventually("the second statement has ended", everyMs: 10) { second.end != nil }
        #expect(second.end == .exit(0))
        let tags = "SELECT tag_id FROM tapline.tags WHERE attendee_id = 1"
        let noted = "SELECT tag_id FROM tapline_internal.shared_tags WHERE attendee_id = 1"
        #expect(try observer.rows(tags).count == 2)
        #expect(try observer.rows("\(tags) EXCEPT \(noted)") == [])
    }

    /// An import locks the table. It needs no lock of each person.
    @Test func transactionThatLocksTheTableLocksNoPeople() throws {
        let lock = "LOCK TABLE tapline.attendees, tapline.tags IN SHARE ROW EXCLUSIVE MODE"
        try first.execute("BEGIN; \(lock); INSERT INTO tapline.tags VALUES (10, 1), (11, 1)")
        try observer.execute("SELECT FROM tapline.attendees WHERE id = 1 FOR NO KEY UPDATE NOWAIT")
        try first.execute("COMMIT")
        #expect(try observer.rows("SELECT tag_id FROM tapline_internal.shared_tags ORDER BY 1") == ["10", "11"])
    }
}
