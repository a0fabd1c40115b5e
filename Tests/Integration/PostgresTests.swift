import Runtime
import TestSupport
import Testing

@testable import Postgres

@Suite struct PostgresTests {
    @Test func parametersKeepTheirValuesInBothFormats() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        let id = PostgresUUID(high: 0x0123_4567_89ab_cdef, low: 0xfedc_ba98_7654_3210)
        let parameters: [PostgresParameter] = [
            .int64(.min), .int32(-7), .int16(-3), .bool(true), .text("ä'\\"), .bytes([0, 255, 7]), .uuid(id),
            .timestamp(1_764_000_000_123_456), .null, .double(1.5),
        ]
        let sql = """
            SELECT $1::int8, $2::int4, $3::int2, $4::bool, $5::text, $6::bytea, $7::uuid, $8::timestamptz, $9::int8,
                $10::float8
            """
        for binary in [false, true] {
            let result = try connection.query(sql, parameters, binary: binary)
            #expect(result.int(0, 0) == .min)
            #expect(result.int(0, 1) == -7)
            #expect(result.int(0, 2) == -3)
            #expect(result.bool(0, 3))
            #expect(result.text(0, 4) == "ä'\\")
            #expect(result.bytes(0, 5) == [0, 255, 7])
            #expect(result.uuid(0, 6) == id)
            #expect(result.isNull(0, 8))
            #expect(result.optionalInt(0, 8) == nil)
            #expect(result.double(0, 9) == 1.5)
        }
        let binary = try connection.query(sql, parameters, binary: true)
        #expect(binary.microseconds(0, 7) == 1_764_000_000_123_456)
        #expect(try connection.query(sql, parameters).text(0, 7) == "2025-11-24 16:00:00.123456+00")
    }

    @Test func arraysKeepNullsAndMayBeEmpty() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        let id = PostgresUUID(high: 1, low: 2)
        let result = try connection.query(
            """
            SELECT array_to_string($1, ',', 'null'), array_to_string($2, ',', 'null'), array_to_string($3, ','),
                cardinality($4), array_to_string($5, ','), array_to_string($6, ',', 'null'), encode($7[2], 'hex'),
                $8[1] = to_timestamp(5), array_to_string($9, ',')
            """,
            [
                .int64s([1, -2]), .optionalInt32s([nil, 3]), .int16s([9]), .int64s([]), .uuids([id]),
                .optionalTexts(["a", nil]), .bytesArray([[], [0xab]]), .timestamps([5_000_000]), .bools([true, false]),
            ])
        #expect(result.text(0, 0) == "1,-2")
        #expect(result.text(0, 1) == "null,3")
        #expect(result.text(0, 2) == "9")
        #expect(result.int(0, 3) == 0)
        #expect(result.text(0, 4) == "00000000-0000-0001-0000-000000000002")
        #expect(result.text(0, 5) == "a,null")
        #expect(result.text(0, 6) == "ab")
        #expect(result.bool(0, 7))
        #expect(result.text(0, 8) == "t,f")
    }

    @Test func binaryCopyStoresEveryTypeAndGrowsItsBuffer() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        try connection.execute(
            "CREATE TABLE t (a int8, b int4, c int2, d timestamptz, g text, h bool, i int8)")
        let buffer = CopyBuffer(capacityBytes: 64)
        let rows = 50_000
        for row in 0..<rows {
            buffer.beginRow(7)
            buffer.put(Int64(row))
            buffer.put(Int32(-row))
            buffer.put(Int16(row % 1_000))
            buffer.put(timestamp: Int64(row) * 1_000_000)
            buffer.put("row ü \(row)")
            buffer.put(row % 2 == 0)
            buffer.put(row % 3 == 0 ? nil : Int64(row))
        }
        #expect(buffer.rowCount == rows)
        #expect(try connection.copyIn("COPY t FROM STDIN (FORMAT binary)", buffer) == rows)
        let result = try connection.query(
            """
            SELECT count(*), sum(a)::int8, sum(b)::int8, count(*) FILTER (WHERE d = to_timestamp(a)),
                count(*) FILTER (WHERE g = 'row ü ' || a), count(*) FILTER (WHERE h), count(i)
            FROM t
            """)
        let sum = Int64(rows * (rows - 1) / 2)
        let expected = [Int64(rows), sum, -sum, Int64(rows), Int64(rows), 25_000, 33_333]
        #expect((0..<7).map { result.int(0, $0) } == expected)
        buffer.clear()
        #expect(try connection.copyIn("COPY t FROM STDIN (FORMAT binary)", buffer) == 0)
    }

    @Test func copyReportsViolatedConstraintAndKeepsConnection() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        try connection.execute("CREATE TABLE t (a int8 CONSTRAINT once PRIMARY KEY)")
        let buffer = CopyBuffer()
        for _ in 0..<100_000 {
            buffer.beginRow(1)
            buffer.put(Int64(1))
        }
        let error = try #require(throws: PostgresError.self) {
            try connection.copyIn("COPY t FROM STDIN (FORMAT binary)", buffer)
        }
        #expect(error.sqlState == "23505")
        #expect(error.constraint == "once")
        #expect(error.isDataError && !error.isRetriable && !error.isConnectionLost)
        #expect(try connection.query("SELECT count(*) FROM t").int(0, 0) == 0)
    }

    @Test func copyOutSendsTextRowsAndRethrowsErrors() throws {
        struct Enough: Error {}
        let database = try TestDatabase()
        let connection = try database.connect()
        try connection.execute("CREATE TABLE t AS SELECT a FROM generate_series(0, 2) a")
        var rows: [String] = []
        try connection.copyOut("COPY (SELECT a FROM t ORDER BY a) TO STDOUT") {
            rows.append(String(decoding: $0, as: UTF8.self))
        }
        #expect(rows == ["0\n", "1\n", "2\n"])
        #expect(throws: Enough.self) { try connection.copyOut("COPY t TO STDOUT") { _ in throw Enough() } }
        #expect(throws: PostgresError.self) { try connection.copyOut("SELECT 1") { _ in } }
        #expect(try connection.query("SELECT count(*) FROM t").int(0, 0) == 3)
    }

    @Test func binaryCopyOutParsesIntegersInPiecesOfAnySize() throws {
        struct Enough: Error {}
        let database = try TestDatabase()
        let connection = try database.connect()
        let sql = """
            COPY (SELECT i::smallint, -i::integer, i * 1000000007::bigint FROM generate_series(0, 20000) AS i)
            TO STDOUT (FORMAT binary)
            """
        var (found, calls, size): ([Int64], Int, Int64) = ([], 0, 0)
        try connection.copyOutIntegers(sql, columns: 3) { values, bytes in
            found += values
            calls += 1
            size = bytes
        }
        let expected = (Int64(0)...20_000).flatMap { [$0, -$0, $0 * 1_000_000_007] }
        #expect(found == expected && calls > 3)
        #expect(size == 19 + 20_001 * (2 + 3 * 4 + 2 + 4 + 8) + 2)
        #expect(throws: Enough.self) { try connection.copyOutIntegers(sql, columns: 3) { _, _ in throw Enough() } }
        var empty = 0
        try connection.copyOutIntegers("COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)", columns: 1) { _, _ in
            empty += 1
        }
        #expect(empty == 0)
        for query in ["SELECT NULL::bigint", "SELECT 'a'", "SELECT 1, 2", "SELECT 1.5"] {
            #expect(throws: PostgresError.self, "\(query)") {
                try connection.copyOutIntegers("COPY (\(query)) TO STDOUT (FORMAT binary)", columns: 1) { _, _ in }
            }
        }
        // The same stream in pieces of each size.
        var stream: [UInt8] = []
        try connection.copyOut(
            "COPY (SELECT 1::smallint, 2, 3::bigint FROM generate_series(1, 3)) TO STDOUT (FORMAT binary)"
        ) {
            stream += $0
        }
        for step in 1...stream.count {
            var rows = CopiedIntegers(columns: 3)
            for start in stride(from: 0, to: stream.count, by: step) {
                let piece = Array(stream[start..<min(start + step, stream.count)])
                try piece.withUnsafeBytes { try rows.append($0, "test") }
            }
            try rows.checkEnd("test")
            #expect(rows.values == [1, 2, 3, 1, 2, 3, 1, 2, 3])
        }
        var cut = CopiedIntegers(columns: 3)
        try stream.dropLast().withUnsafeBytes { try cut.append($0, "test") }
        #expect(throws: PostgresError.self) { try cut.checkEnd("test") }
    }

    @Test func transactionIsCommittedOrRolledBackAsAWhole() throws {
        struct Enough: Error {}
        let database = try TestDatabase()
        let connection = try database.connect()
        try connection.execute("CREATE TABLE t (a int8)")
        #expect(throws: Enough.self) {
            try connection.transaction {
                try connection.execute("INSERT INTO t VALUES (1)")
                throw Enough()
            }
        }
        #expect(!connection.isInTransaction)
        try connection.transaction { _ = try connection.execute("INSERT INTO t VALUES (2)") }
        #expect(try connection.query("SELECT sum(a)::int8 FROM t").int(0, 0) == 2)
        // A COMMIT of a failed transaction is answered with ROLLBACK, not with an error.
        try connection.execute("BEGIN")
        #expect(throws: PostgresError.self) { try connection.execute("SELECT 1/0") }
        let error = try #require(throws: PostgresError.self) { try connection.commit() }
        #expect(error.code == .commitWithWarning && error.isRetriable)
    }

    @Test func cancelledWaitForStandbyIsReportedAsFailedCommit() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        let other = try database.connect()
        try connection.execute("CREATE TABLE t (a int8)")
        // WARNING and success together, as the server answers a cancelled SyncRepWaitForLSN.
        try connection.execute(
            """
            CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE WARNING 'canceling wait for synchronous replication'; RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION warn()
            """)
        let error = try #require(throws: PostgresError.self) {
            try connection.transaction { _ = try connection.execute("INSERT INTO t VALUES (2)") }
        }
        #expect(error.code == .commitWithWarning)
        #expect(try other.query("SELECT count(*) FROM t").int(0, 0) == 1)
        #expect(!connection.isBroken)
    }

    @Test func terminatedSessionLeavesConnectionBroken() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        let pid = try connection.query("SELECT pg_backend_pid()").int(0, 0)
        let other = try database.connect()
        try other.query("SELECT pg_terminate_backend($1, 5000)", [.int32(Int32(pid))])
        for _ in 0..<2 {
            let error = try #require(throws: PostgresError.self) { try connection.execute("SELECT 1") }
            #expect(error.isConnectionLost && error.isRetriable)
        }
        #expect(connection.isBroken)
    }

    @Test func statementsAreBoundedByServerAndClient() throws {
        let database = try TestDatabase()
        let connection = try database.connect(statementTimeoutMs: 100)
        let clean = try #require(throws: PostgresError.self) { try connection.execute("SELECT pg_sleep(60)") }
        #expect(clean.sqlState == "57014" && !clean.isConnectionLost)
        try connection.execute("SET statement_timeout = 0")
        let hard = try #require(throws: PostgresError.self) { try connection.execute("SELECT pg_sleep(60)") }
        #expect(hard.code == .deadline && hard.isConnectionLost)
        #expect(connection.isBroken)
    }

    @Test func cancelledStatementLeavesTheConnectionUsable() async throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        let (canceller, ended) = (connection.canceller(), StopSignal())
        // Repeated, because it has no effect before the statement has begun.
        let thread = NamedThread("cancel") { while !ended.wait(ms: 20) { canceller.cancel() } }
        let error = try #require(throws: PostgresError.self) { try connection.execute("SELECT pg_sleep(60)") }
        ended.stop()
        await thread.end()
        #expect(error.isCancelled && !error.isConnectionLost)
        #expect(try connection.query("SELECT 7").int(0, 0) == 7)
    }

    @Test func noticesAndNotificationsAreReceived() throws {
        let database = try TestDatabase()
        let connection = try database.connect()
        let other = try database.connect()
        try connection.execute("DO $$ BEGIN RAISE NOTICE 'hello %', 7; END $$")
        #expect(connection.lastNotices.map(\.message) == ["hello 7"])
        try connection.listen("Bell")
        try other.execute("SELECT pg_notify('Bell', 'ding')")
        let heard = try connection.notifications(timeoutMs: waitLimitMs)
        #expect(heard.map(\.channel) == ["Bell"] && heard.map(\.payload) == ["ding"])
    }

    @Test func connectErrorsDistinguishServerFromURLWithoutPasswords() throws {
        let away = try #require(throws: PostgresError.self) {
            _ = try PostgresConnection(url: "postgresql://u:hush@127.0.0.1:1/x", applicationName: "test")
        }
        #expect(away.code == .cannotConnect && away.isConnectionLost)
        #expect(!"\(away)".contains("hush"))
        let wrong = try #require(throws: PostgresError.self) {
            _ = try PostgresConnection(url: "postgresql://u:hush@[::1", applicationName: "test")
        }
        #expect(wrong.code == .misuse)
        #expect(!"\(wrong)".contains("hush"))
    }
}
