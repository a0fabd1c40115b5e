import FileSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@testable import DataFolder
@testable import ScanJournal

/// Salvage of read counters and admissions from a corrupt file.
struct StateSalvageTests {
    private let folder = TemporaryFolder("salvage")
    private var path: String { folder.file("journal.sqlite") }

    private static func entry(_ number: Int, _ verdict: Verdict = .admitted) -> Journal.Entry {
        Journal.Entry(
            atMs: 1_795_468_021_123 + Int64(number), tag: TagID(rawValue: Int64(number) &* 0x1234_5678_9abc_def),
            verdict: verdict, flags: number % 2 == 0 ? .out : [], gate: number % 5 == 0 ? nil : 7, snapshot: 9)
    }

    /// Returns the part of the scans that is salvaged.
    private static func salvaged(_ scans: [Scan]) -> [Scan] {
        scans.filter { $0.verdict == .admitted || $0.verdict == .annulled }.map { scan in
            Scan(
                seq: 0, atMs: scan.atMs, tag: scan.tag, verdict: scan.verdict, flags: scan.flags, gate: scan.gate,
                snapshot: 0)
        }
    }

    private func damage(_ byte: Int = 0) throws {
        var bytes = try Files.read(path)
        for index in byte..<byte + 100 { bytes[index] = 0xa5 }
        try Files.writeAtomically(bytes, to: path)
        // The WAL may contain the damaged page, so its header is damaged too.
        var wal = try Files.read(path + "-wal")
        if wal.count > 32 { wal[0] = 0 }
        try Files.writeAtomically(wal, to: path + "-wal")
    }

    private func append(to journal: Journal, _ range: ClosedRange<Int>) throws -> [Scan] {
        try range.map { number in
            let verdict: Verdict = number % 3 == 0 ? .unknownTag : number % 10 == 1 ? .annulled : .admitted
            return try journal.append(
                Self.entry(number, verdict), counter: number % 4 == 0 ? Int64(number) : nil, reason: nil)
        }
    }

    @Test func countersAndAdmissionsAreSalvaged() throws {
        var appended: [Scan] = []
        var logs: [JournalID] = []
        // Each round ends with a corrupt file, from which the next round salvages.
        for round in 0..<3 {
            let journal = try Journal(folder: folder.path, scanner: scanner)
            #expect(journal.health.damaged.count == round)
            #expect(try journal.recent(sinceMs: 0) == Self.salvaged(appended))
            #expect(journal.lastAtMs == Self.salvaged(appended).last?.atMs)
            logs.append(journal.id)
            appended += try append(to: journal, round * 400 + 1...round * 400 + 400)
            // The same chip in each round.
            _ = try journal.append(Self.entry(1, .unknownTag), counter: Int64(10_000 + round))
            if round == 1 { _ = try journal.database.int("PRAGMA wal_checkpoint(TRUNCATE)") }
            try damage()
        }
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(try journal.recent(sinceMs: 0) == Self.salvaged(appended))
        #expect(try journal.counter(of: Self.entry(1).tag) == 10_002)
        for number in stride(from: 4, through: 1_200, by: 4) {
            #expect(try journal.counter(of: Self.entry(number).tag) == Int64(number))
        }
        // Salvaged scans are not uploaded from this folder.
        let reader = JournalReader(folder: folder.path)
        #expect(try reader.journals().map(\.lastSeq) == [0])
        #expect(try reader.backlog(beyond: [:], scanner: scanner) == 0)
        // The recovered journal contains each scan once, with its journal and seq.
        let out = folder.file("out")
        let report = try Recovery(folder: folder.path, scanner: scanner).run(into: out)
        #expect(report.scans == 1_203 && report.conflicts == 0 && report.orphans == 0 && report.missing == 0)
        let recovered = JournalReader(folder: out)
        #expect(try recovered.journals().map(\.journalID) == logs)
        // The salvaged scans stay in the journal.
        #expect(try journal.recent(sinceMs: 0).count == Self.salvaged(appended).count)
    }

    /// The first start ended after it created the new file.
    @Test func interruptedSalvageIsRepeatedByNextStart() throws {
        let scans = try append(to: Journal(folder: folder.path, scanner: scanner), 1...500)
        try damage()
        do { _ = try JournalFile.durable.open(path) }
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(try journal.recent(sinceMs: 0) == Self.salvaged(scans))
        #expect(try journal.counter(of: Self.entry(8).tag) == 8)
    }

    @Test func maintenanceContinuesSalvageAfterTimeLimit() throws {
        do {
            let journal = try Journal(folder: folder.path, scanner: scanner)
            _ = try append(to: journal, 1...100)
            _ = try journal.appendBatch((101...60_000).map { Self.entry($0, .unknownTag) })
            _ = try journal.database.int("PRAGMA wal_checkpoint(TRUNCATE)")
        }
        try damage()
        let corrupt = try CorruptFile.move(path, "test")
        let journal = try Journal(folder: folder.path, scanner: ScannerID("another")!)
        try journal.database.execute("DELETE FROM counters; DELETE FROM remembered")
        journal.maintenance.salvage = try StateSalvage.start(
            from: corrupt, into: journal.database, scanner: scanner, limitMs: 0)
        #expect(try journal.counter(of: Self.entry(4).tag) == nil)
        while try journal.performMaintenance() {}
        #expect(journal.maintenance.salvage == nil)
        for number in stride(from: 4, through: 100, by: 4) {
            #expect(try journal.counter(of: Self.entry(number).tag) == Int64(number))
        }
    }

    @Test func foreignDatabaseYieldsNoState() throws {
        do {
            let foreign = try Database(path, .create)
            try foreign.execute(
                """
                CREATE TABLE t(a INTEGER PRIMARY KEY, b INTEGER); INSERT INTO t VALUES (5, 6);
                PRAGMA application_id = 7
                """
            )
        }
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(journal.health.damaged.count == 1)
        #expect(try journal.counter(of: TagID(rawValue: 5)) == nil)
    }

    @Test func admissionsOfOtherScannersAreNotSalvaged() throws {
        _ = try append(to: Journal(folder: folder.path, scanner: ScannerID("gate-8")!), 1...100)
        let own = try append(to: Journal(folder: folder.path, scanner: scanner), 101...200)
        try damage()
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(try journal.recent(sinceMs: 0) == Self.salvaged(own))
    }
}
