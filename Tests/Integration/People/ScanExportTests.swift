import FileSystem
import Postgres
import Registry
import TestSupport
import Testing

/// Tests the export of scans: which rows, in which form, and that they are streamed.
@Suite struct ScanExportTests {
    private let fixture: IngestFixture
    private let folder = TemporaryFolder("scan-export")
    private var file: String { folder.file("scans.csv") }

    /// Scans of three gates: admitted, annulled, refused, an unknown tag, a lane event, a name that is a formula.
    init() throws {
        fixture = try IngestFixture()
        try fixture.connection.execute(
            """
            UPDATE tapline.attendees SET name = '=HYPERLINK("x")', category = '+1', external_ref = '@ref' WHERE id = 1;
            UPDATE tapline.gates SET name = '-door' WHERE id = 1;
            INSERT INTO tapline.journals (id, log, scanner_id, last_received_at)
                VALUES (1, '11111111-1111-1111-1111-111111111111', 's-1', '2026-06-01 13:00Z');
            INSERT INTO tapline_internal.annulled VALUES (1, 3);
            """)
        try ScanRows.insert(
            fixture.connection,
            """
            SELECT 1, n, tag, '2026-06-01 10:00Z'::timestamptz + n * interval '10 minutes', v, f, gate, 5,
                '2026-06-01 12:30Z'::timestamptz
            FROM (VALUES (1, 1, 0, 0, 1), (2, 1, 5, 0, 1), (3, 3, 0, 0, 2), (4, 3, 64, 0, 2), (5, 999, 1, 0, 3),
                (6, 0, 133, 0, 1), (7, 1, 0, 1, 1)) AS scan(n, tag, v, f, gate)
            """)
    }

    private func export(_ options: String..., code: Int32 = 0) throws -> Run {
        let run = try Run.it(
            "tapline-center", ["scan", "export", "--out", file, "--database-url", fixture.database.url] + options)
        #expect(run.end == .exit(code), "\(options): \(run.errors)")
        return run
    }

    /// The rows of the file after its header.
    private func rows() throws -> [String] {
        Array(try Files.readText(file).split(separator: "\n").map(String.init).dropFirst())
    }

    @Test func allScansAreWrittenWithDeniedOnes() throws {
        #expect(try export().lines == ["\(file): 7 scans"])
        #expect(
            try Files.readText(file).split(separator: "\n").first
                == "time,gate,zone,direction,verdict,verdict_name,counts,attendee_id,tag_id,scanner,flags,annulled,void,"
                + "scanned_at,received_at,snapshot,journal,seq")
        let written = Set(try rows())
        #expect(written.count == 7)
        let tail = "2026-06-01T12:30:00.000Z,5,11111111-1111-1111-1111-111111111111"
        #expect(
            written.contains(
                "2026-06-01T10:10:00.000Z,'-door,hall,in,0,admitted,t,1,1,s-1,0,f,f,2026-06-01T10:10:00.000Z,\(tail),1")
        )
        #expect(written.contains { $0.contains(",5,inside,f,1,1,") })
        #expect(written.contains { $0.contains(",0,admitted,f,2,3,s-1,0,t,f,") }, "the annulled admission")
        #expect(written.contains { $0.contains(",1,unknown,f,,999,") }, "an unknown tag has no attendee")
        #expect(written.contains { $0.contains(",133,passage without a tap,f,,,") }, "a lane event has no tag")
        #expect(written.contains { $0.contains("T11:10:00.000Z,'-door,,out,0,admitted,t,") }, "off site")
        #expect(!written.contains { $0.contains("HYPERLINK") })
        #expect(Files.exposure(file) == nil)
    }

    @Test func rowsAreThoseOfTheTimeTheZoneAndTheGate() throws {
        func count(_ options: String...) throws -> Int {
            _ = try Run.succeeding(
                "tapline-center",
                ["scan", "export", "--out", file, "--database-url", fixture.database.url] + options)
            return try rows().count
        }
        #expect(try count("--since", "2026-06-01T10:20:00Z", "--until", "2026-06-01T10:50:00Z") == 3)
        #expect(try count("--gate", "steps") == 2)
        #expect(try count("--zone", "stage") == 3)
        #expect(try count("--zone", "hall") == 6, "gates into or out of the hall")
        #expect(try count("--zone", "stage", "--gate", "back", "--until", "2026-06-01T10:50:00Z") == 0)
        #expect(try export("--gate", "step", code: 1).errors.contains("'steps' exists"))
        _ = try export("--since", "2026-06-01T10:20:00Z", "--until", "2026-06-01T10:20:00Z", code: 64)
        _ = try export("--since", "yesterday", code: 64)
    }

    @Test func namesAreWrittenIfAskedForAndRunNoFormula() throws {
        _ = try export("--names", "--until", "2026-06-01T10:20:00Z")
        let written = try rows()
        #expect(written.count == 1)
        #expect(written[0].contains(#",admitted,t,"'=HYPERLINK(""x"")",'+1,'@ref,1,1,"#), "\(written)")
    }

    /// Neither program nor server holds all rows: the first piece comes before the last row is computed.
    @Test func scansAreStreamedInPieces() throws {
        try fixture.connection.execute(
            "INSERT INTO tapline.journals (id, log, scanner_id, last_received_at) VALUES (2, gen_random_uuid(), 's-2', now())"
        )
        try ScanRows.insert(
            fixture.connection,
            """
            SELECT 2, n, 1 + n % 40, '2026-07-01'::timestamptz + n * interval '1 second', 0, 0, 2, 5,
                '2026-07-02'::timestamptz FROM generate_series(1, 50000) n
            """)
        var (pieces, bytes, reports) = (0, 0, [Int]())
        let rows = try ScanExporter(fixture.database.connect(statementTimeoutMs: 0)).write(
            ScanExporter.Selection(),
            progress: { rows, expected in
                #expect(expected == 50_007)
                reports.append(rows)
            },
            to: { piece in
                pieces += 1
                bytes += piece.count
                #expect(piece.count < 1 << 17)
            })
        #expect(rows == 50_007)
        #expect(pieces > 50 && bytes > 5_000_000)
        #expect(reports == reports.sorted() && reports.count == pieces - 1)
    }
}
