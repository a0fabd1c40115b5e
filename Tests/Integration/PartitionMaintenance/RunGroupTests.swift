import Postgres
import Runtime
import ScanModel
import ScanRuns
import TestSupport
import Testing

@testable import PartitionMaintenance

/// Tests which small runs are joined, and that the others are left alone.
@Suite struct RunGroupTests {
    private let fixture: IngestFixture
    private var connection: PostgresConnection { fixture.connection }

    init() throws {
        fixture = try IngestFixture()
        try fixture.addJournal(1)
    }

    /// Stores runs of one scan each, whose bases alternate by some days.
    private func store(_ count: Int, journal: Int64 = 1, days: Int64 = 0, atMs: Int32 = 0) throws {
        let runs = (1...Int64(count)).map { seq -> StoredScans in
            let base = IngestFixture.day + seq % 2 * days * 86_400_000_000
            return StoredScans(
                journal: journal, scanner: "s-1", journalID: .random(), first: seq, baseMicros: base,
                atMs: [seq % 2 == 0 ? ~atMs : atMs], tags: [seq], verdicts: [0], flags: [0], gate: 1, snapshot: 5,
                receivedMicros: base, isBehind: false)
        }
        try ScanRunTable(connection).copy(runs, CopyBuffer())
    }

    /// Joins all that can be joined.
    private func join() throws {
        try connection.execute("UPDATE tapline.journals SET last_received_at = now() - interval '61 minutes'")
        let joiner = RunJoiner(connection, MaintenanceMetrics(Metrics()))
        var place = RunJoiner.Place()
        while try joiner.step(&place, StopSignal()) != RunJoiner.idleMs {}
    }

    /// Number of rows that a transaction has locked.
    private static let locked = "SELECT count(*) FROM tapline_internal.scan_runs WHERE xmax <> 0"

    @Test(arguments: [(Int64(40), Int32(0)), (3, .max), (-3, .min)])
    func runsThatCannotBeJoinedAreNotLocked(days: Int64, atMs: Int32) throws {
        try store(20, days: days, atMs: atMs)
        try join()
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.scan_runs") == 20)
        #expect(try fixture.int(Self.locked) == 0)
    }

    @Test func runsOfClosedPartitionsAreLeft() throws {
        for journal in [2_001, 4_001] { try fixture.addJournal(journal) }
        for journal in [Int64(1), 2_001, 4_001] { try store(30, journal: journal) }
        try connection.execute(
            "UPDATE tapline_internal.scan_partitions SET closed_at = now() WHERE first_journal = 2000")
        try join()
        let counts = """
            SELECT journal_id || ' ' || count(*) FROM tapline_internal.scan_runs GROUP BY journal_id ORDER BY journal_id
            """
        #expect(try fixture.texts(counts) == ["1 1", "2001 30", "4001 1"])
        #expect(try fixture.int(Self.locked) == 0)
    }

    @Test func groupsAreConsecutiveSmallRunsOfOneJournalGateAndSnapshot() {
        func run(
            _ journal: Int64, _ first: Int64, _ last: Int64, gate: Int64? = nil, snapshot: Int64 = 0
        ) -> RunJoiner.Small {
            .init(range: .init(journal: journal, first: first, last: last), gate: gate, snapshot: snapshot)
        }
        var distant = run(1, 6, 6, gate: 7, snapshot: 9)
        distant.baseMicros = 25 * 86_400_000_000
        let parted = RunJoiner.groups([
            run(1, 1, 1), run(1, 2, 2), run(1, 3, 3, gate: 7), run(1, 4, 4, gate: 7),
            run(1, 5, 5, gate: 7, snapshot: 9), distant,
        ])
        #expect(parted.map(\.runs) == [2, 2, 1, 1])
        #expect(parted.map(\.isBounded) == [true, true, true, false])
        #expect(!parted.contains { $0.isFull } && parted.map(\.isComplete) == parted.map(\.isBounded))
        let groups = RunJoiner.groups([
            run(1, 1, 200), run(1, 201, 400), run(1, 401, 494), run(1, 495, 495), run(1, 496, 700), run(1, 702, 702),
            run(2, 703, 704),
        ])
        #expect(groups.map(\.range.first) == [1, 495, 702, 703])
        #expect(groups.map(\.range.last) == [494, 700, 702, 704])
        #expect(groups.map(\.runs) == [3, 2, 1, 1])
        #expect(groups.map(\.isFull) == [true, false, false, false])
        #expect(!groups.contains { $0.isBounded })
        #expect(RunJoiner.first(groups, scans: 600) == Array(groups.prefix(1)))
        #expect(RunJoiner.first(groups, scans: 700) == Array(groups.prefix(2)))
        #expect(RunJoiner.first(groups, scans: 1).count == 1)
    }
}
