import Ingest
import Postgres
import Reports
import ScanBatchCodec
import TestSupport
import Testing
import Tracking

/// Tests that each number of the reports equals a count from the raw scans.
@Suite struct ReportTests {
    private let fixture: IngestFixture
    private var connection: PostgresConnection { fixture.connection }
    /// The event days that the scans of `MadeJournal.tracked` belong to.
    private static let days = ["2026-05-31", "2026-06-01"]

    init() throws {
        fixture = try IngestFixture()
        // Attendee 3 has lost the registration of tag 6. Attendees 1, 2 and 4 are expected.
        try connection.execute(
            """
            INSERT INTO tapline.event (name, time_zone, day_start) VALUES ('E', 'Etc/UTC', '06:00');
            INSERT INTO tapline.passes (id, name) VALUES (1, 'all');
            UPDATE tapline.attendees SET category = CASE WHEN id < 3 THEN 'crew' END;
            UPDATE tapline.attendees SET pass_id = 1 WHERE id IN (1, 2, 4, 5);
            UPDATE tapline.attendees SET status = 'blocked' WHERE id = 5;
            DELETE FROM tapline.tags WHERE tag_id = 6;
            """)
    }

    private func oracle(_ day: String, voidSince: Int64?) throws -> ReportOracle {
        let span = try connection.query(
            """
            SELECT (extract(epoch FROM since) * 1000000)::bigint, (extract(epoch FROM until) * 1000000)::bigint
            FROM tapline_internal.day_span('\(day)')
            """)
        return try ReportOracle(
            connection, day: span.int(0, 0)..<span.int(0, 1), voidSince: voidSince, lone: [6])
    }

    private func rows(_ columns: String, _ report: String, _ day: String) throws -> [String] {
        try fixture.texts("SELECT concat_ws(' ', \(columns)) FROM tapline.report_\(report)('\(day)')")
    }

    @Test(arguments: TestRandom.seeds(2, of: 6)) func numbersEqualCountsOfRawScans(_ seed: Int) throws {
        var random = TestRandom(seed)
        // Late by a day, or by minutes.
        let receipts: [Int64] = [86_400_000_000, 700_000_000, 402_000_000]
        for journal in MadeJournal.tracked(&random) {
            let received = IngestFixture.day + receipts.randomElement(using: &random)!
            for batch in journal.batches() { _ = try fixture.store().store([batch.delivery(receivedMicros: received)]) }
        }
        let tracking = try TrackingStore(connection)
        try tracking.catchUp()
        let voidSince = seed % 2 == 0 ? IngestFixture.day : nil
        if voidSince != nil {
            _ = try tracking.setVoid("s-1", sinceMicros: IngestFixture.day, untilMicros: nil, isVoid: true)
        }
        var passages = 0
        for day in Self.days {
            let oracle = try oracle(day, voidSince: voidSince)
            passages += oracle.passages.values.joined().count
            let slot = "extract(epoch FROM slot)::bigint"
            #expect(try rows("\(slot), arrived, arrived_total", "arrivals", day) == oracle.arrivals)
            #expect(
                try Set(rows("gate, verdict, refused, tags", "refusals", day).map { pad($0, 4) }) == oracle.refusals)
            #expect(try Set(rows("gate, entries, reentries, people", "reentries", day)) == oracle.reentries)
            #expect(try Set(rows("scanner_id, coalesce(gate, ''), late_scans", "late", day)) == oracle.late)
            let busiest = try rows("coalesce(gate, ''), \(slot), passed_in, passed_out", "busiest", day)
            #expect(Set(busiest) == oracle.busiest)
            try checkDwell(oracle, day)
            try checkPeople(oracle, day)
        }
        #expect(passages > 0)
    }

    /// concat_ws leaves out a null gate.
    private func pad(_ row: String, _ cells: Int) -> String {
        row.split(separator: " ").count < cells ? " " + row : row
    }

    private func checkDwell(_ oracle: ReportOracle, _ day: String) throws {
        let rows = try connection.query(
            """
            SELECT zone, visits, people, open_visits, mean_min, median_min, p90_min, longest_min
            FROM tapline.report_dwell('\(day)')
            """)
        let visits = oracle.visits
        #expect((0..<rows.rowCount).map { rows.text($0, 0) } == visits.keys.sorted())
        for row in 0..<rows.rowCount {
            let expected = try #require(visits[rows.text(row, 0)])
            let minutes = expected.minutes.sorted()
            #expect(rows.int(row, 1) == Int64(minutes.count + expected.open))
            #expect(rows.int(row, 2) == Int64(expected.people.count) && rows.int(row, 3) == Int64(expected.open))
            guard let longest = minutes.last else {
                #expect((4...7).allSatisfy { rows.isNull(row, $0) })
                continue
            }
            func percentile(_ part: Double) -> Double {
                let place = part * Double(minutes.count - 1)
                let (low, high) = (minutes[Int(place)], minutes[min(Int(place) + 1, minutes.count - 1)])
                return low + (high - low) * (place - place.rounded(.down))
            }
            let mean = minutes.reduce(0, +) / Double(minutes.count)
            for (column, value) in [(4, mean), (5, percentile(0.5)), (6, percentile(0.9)), (7, longest)] {
                let shown = try #require(Double(rows.text(row, column)))
                // Rounded to a tenth.
                #expect(abs(shown - value) < 0.0501, "\(column) \(shown) \(value)")
            }
        }
    }

    private func checkPeople(_ oracle: ReportOracle, _ day: String) throws {
        let seen = Set(oracle.passages.keys)
        let missing = ["1", "2", "4"].filter { !seen.contains($0) }
        #expect(try rows("attendee_id", "no_shows", day).sorted() == missing)
        func people(_ isOf: (String) -> Bool) -> (arrived: Int, passages: Int) {
            let rows = oracle.passages.filter { isOf($0.key) }
            return (rows.count, rows.values.joined().count)
        }
        let crew = people { $0 == "1" || $0 == "2" }
        let others = people { $0 != "1" && $0 != "2" }
        #expect(
            try Set(
                rows("coalesce(category, '-'), expected, arrived, coalesce(percent, -1), passages", "categories", day))
                == [
                    "crew 2 \(crew.arrived) \(crew.arrived * 50) \(crew.passages)",
                    "- 1 \(others.arrived) \(seen.contains("4") ? 100 : 0) \(others.passages)",
                ])
    }

    @Test func musterListsThePeopleThatTheWallCounts() throws {
        try fixture.addJournal(1)
        try ScanRows.insert(
            connection,
            """
            SELECT 1, n, n, now() - interval '1 minute' + n * interval '1 second', 0, 0, CASE WHEN n < 5 THEN 1 ELSE 3 END,
                5, now()
            FROM generate_series(1, 6) n
            """)
        try connection.execute(
            "UPDATE tapline.event SET day_start = (now() AT TIME ZONE 'UTC' - interval '1 hour')::time")
        _ = try connection.query("SELECT * FROM tapline_internal.rebuild_tracking(true)")
        // Tags 1 and 2, 3 and 4 are one person each; tag 5 is of attendee 3, and tag 6 has no attendee.
        #expect(
            try fixture.texts("SELECT concat_ws(' ', zone, attendee_id, tag_id) FROM tapline.report_muster()")
                == ["hall 1 2", "hall 2 4", "stage 3 5", "stage 6"])
        #expect(try fixture.int("SELECT sum(inside) FROM tapline.live_zones") == 4)
    }

    /// The columns that the command knows are those of the functions.
    @Test func columnsAreThoseOfTheFunctions() throws {
        for report in Report.all {
            let columns = try connection.query(
                """
                SELECT a.name, format_type(a.type, NULL) FROM pg_proc p
                CROSS JOIN LATERAL unnest(p.proargnames, p.proallargtypes, p.proargmodes) AS a(name, type, mode)
                WHERE p.oid = '\(report.function)'::regproc AND a.mode = 't'
                """)
            let kinds = report.columns.map { column -> String in
                switch column.kind {
                case .text: "\(column.name) text"
                case .time: "\(column.name) timestamp with time zone"
                case .number: "\(column.name) number"
                }
            }
            #expect(
                (0..<columns.rowCount).map { row in
                    let type = columns.text(row, 1)
                    let isNumber = ["bigint", "smallint", "numeric"].contains(type)
                    return "\(columns.text(row, 0)) \(isNumber ? "number" : type)"
                } == kinds, "\(report.name)")
        }
    }

    private func run(_ arguments: String...) throws -> Run {
        try Run.it("tapline-center", ["report"] + arguments + ["--database-url", fixture.url])
    }

    @Test func csvNeutralisesFormulasAndKeepsNumbers() throws {
        try connection.execute(
            """
            UPDATE tapline.attendees SET name = '=cmd|calc', category = '-x', external_ref = '@r' WHERE id = 1;
            UPDATE tapline.event SET time_zone = 'Asia/Dubai'
            """)
        let csv = try run("no-shows", "--output", "csv", "--day", "2026-06-01")
        #expect(csv.end == .exit(0), "\(csv.errors)")
        #expect(csv.lines.first == "attendee_id,name,category,external_ref,pass,tags")
        #expect(csv.lines.contains("1,'=cmd|calc,'-x,'@r,all,2"), "\(csv.lines)")
    }

    @Test(arguments: Report.all.map(\.name)) func reportIsTextCSVAndJSON(_ name: String) throws {
        let text = try run(name)
        #expect(text.end == .exit(0), "\(text.errors)")
        #expect(text.lines.last?.contains(" row") == true && text.lines.allSatisfy { $0.count <= 100 })
        let json = try run(name, "--output", "json")
        #expect(json.end == .exit(0) && json.lines.first?.hasPrefix("[") == true)
        let csv = try run(name, "--output", "csv")
        #expect(csv.end == .exit(0) && csv.lines.first?.contains(",") == true)
    }

    @Test func wrongDayAndFormatAreNamed() throws {
        let day = try run("dwell", "--day", "2026-02-30")
        #expect(day.end == .exit(78) && day.errors.contains("--day 2026-02-30: a date is needed"), "\(day.errors)")
        #expect(try run("dwell", "--output", "xml").end != .exit(0))
    }
}
