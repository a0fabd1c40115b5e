import CLI
import FileSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@testable import ScanJournal

/// Damage of many kinds, and what comes back.
@Suite struct RecoveryTests {
    enum Damage: String, CaseIterable {
        /// The first page: header, and the table of tables.
        case header
        /// Every page's own head and pointers, the rows alone are left.
        case pointers
        /// Runs of bytes anywhere.
        case holes
        case truncated
        /// Nothing but the log is left.
        case fileLost
        /// The page where the journals' own rows lie.
        case journalsPage
        case reasonsInLog
    }

    private let folder = TemporaryFolder("recovery")
    private static let count = 4_000

    private static func entry(_ number: Int) -> Journal.Entry {
        let tag = TagID(rawValue: Int64(number) &* 0x1234_5678_9abc_def)
        let (verdict, flags) = (UInt8(number % 9), UInt8(number % 64))
        return Journal.Entry(
            atMs: 1_795_468_021_123 + Int64(number) * 997, tag: tag, verdict: Verdict(rawValue: verdict),
            flags: Flags(rawValue: flags), gate: number % 5 == 0 ? nil : 7, snapshot: 1_795_400_000)
    }

    /// Two journals; the present one in the file, what came last only in the log. Returns what was logged, by journal.
    private func make() throws -> [JournalID: [Scan]] {
        var logged: [JournalID: [Scan]] = [:]
        for round in 0..<2 {
            let journal = try Journal(folder: folder.path, scanner: scanner)
            logged[journal.id] = try journal.appendBatch((1...RecoveryTests.count).map(RecoveryTests.entry))
            if round == 1 { _ = try journal.database.int("PRAGMA wal_checkpoint(TRUNCATE)") }
            for number in 1...50 {
                logged[journal.id, default: []].append(
                    try journal.append(
                        Journal.Entry(
                            atMs: 1_795_468_021_123, tag: TagID(rawValue: Int64(number)), verdict: .admitted, flags: [],
                            gate: 7, snapshot: 1), reason: "Band lost, ID seen: نعم \(number)"))
            }
        }
        return logged
    }

    private func damage(_ kind: Damage) throws {
        let path = folder.file("journal.sqlite")
        var bytes = try Files.read(path)
        var random = TestRandom(seed: 5)
        switch kind {
        case .header: for index in 0..<4_096 { bytes[index] = 0x5a }
        case .pointers:
            for page in stride(from: 0, to: bytes.count, by: 4_096) {
                for index in page..<page + 8 { bytes[index] = 0 }
            }
        case .holes:
            for _ in 0..<12 {
                let start = Int.random(in: 4_096..<bytes.count - 3_000, using: &random)
                for index in start..<start + 2_500 { bytes[index] = UInt8.random(in: 0...255, using: &random) }
            }
        // The file ends in room that nothing uses yet.
        case .truncated: bytes.removeLast(bytes.count - 160_000)
        case .fileLost: bytes = [UInt8](repeating: 0, count: 8_192)
        case .journalsPage:
            let page = try Database(path, .readOnly).int("SELECT rootpage FROM sqlite_master WHERE name = 'journals'")!
            for index in Int(page - 1) * 4_096..<Int(page) * 4_096 { bytes[index] = 0xff }
        case .reasonsInLog: bytes[100] = 0xff
        }
        try Files.writeAtomically(bytes, to: path)
    }

    @Test(arguments: Damage.allCases) func whatIsReadableComesBack(_ kind: Damage) throws {
        let logged = try make()
        try damage(kind)
        let out = folder.file("out")
        let report = try Recovery(folder: folder.path, scanner: scanner).run(into: out)
        let reader = JournalReader(folder: out)
        var back = 0
        for record in try reader.journals() {
            let original = try #require(logged[record.journalID], "a journal that never was")
            let scans = try reader.read(journal: record.id, after: 0, limit: 100_000)
            // Whatever comes back is as it was, but for the rows in which a hole begins or ends: values have no checksum.
            let wrong = Set(scans).subtracting(original).count
            #expect(wrong <= (kind == .holes ? 24 : 0), "\(wrong) scans that never were")
            #expect(record.scanner == scanner)
            back += scans.count
        }
        let all = logged.values.reduce(0) { $0 + $1.count }
        #expect(back == report.scans && report.files.count == 1)
        switch kind {
        case .header, .pointers, .journalsPage, .reasonsInLog:
            #expect(back == all && report.missing == 0 && report.orphans == 0)
        case .holes: #expect(back > all - 12 * 100 && back < all)
        case .truncated: #expect(back > all / 4 && back < all)
        // The journal's own row is gone with the file, but the log has the scans of its last pages.
        case .fileLost: #expect(back + report.orphans >= 50)
        }
        #expect(Files.exists(out + "/orphans.csv") == (report.orphans > 0))
        #expect(try reader.mayHaveGaps())
        if kind == .reasonsInLog {
            let reasons = try Database(out + "/journal.sqlite", .readOnly).int(
                "SELECT count(*) FROM reasons WHERE reason LIKE '%نعم%'")
            #expect(reasons == 100)
        }
        #expect(try Database(out + "/journal.sqlite", .readOnly).text("PRAGMA integrity_check") == "ok")
    }

    /// Everything is in the file, and the log is empty.
    private func foldLogBack() throws {
        let database = try Database(folder.file("journal.sqlite"), .readWrite)
        try database.persistWAL()
        #expect(try database.int("PRAGMA wal_checkpoint(TRUNCATE)") == 0)
    }

    @Test func severalFilesThatWereSetAsideGoIntoOne() throws {
        var logged: [JournalID: [Scan]] = [:]
        for _ in 0..<3 {
            logged.merge(try make()) { first, _ in first }
            // The log would make the header whole again.
            try foldLogBack()
            let path = folder.file("journal.sqlite")
            var bytes = try Files.read(path)
            for index in 0..<100 { bytes[index] = 0 }
            try Files.writeAtomically(bytes, to: path)
            // Sets the file aside, and begins one that is in the next round's file, or sound.
            let journal = try Journal(folder: folder.path, scanner: scanner)
            logged[journal.id] = [try journal.tap(1)]
        }
        let present = try JournalReader(folder: folder.path).journals().map(\.journalID)
        let recovery = Recovery(folder: folder.path)
        let sources = recovery.sources()
        #expect(sources.count == 3 && present.count == 1)
        let out = folder.file("out")
        let report = try recovery.run(into: out)
        #expect(report.files == sources && report.missing == 0 && report.orphans == 0)
        let reader = JournalReader(folder: out)
        var back: [JournalID: [Scan]] = [:]
        for record in try reader.journals() {
            #expect(back[record.journalID] == nil)
            back[record.journalID] = try reader.read(journal: record.id, after: 0, limit: 100_000)
        }
        // The page that was the first of all is an inner one now, and what is left of its rows is written over in part.
        #expect(report.conflicts > 0, "nothing here shows that rows in use go before leftovers")
        // The present journal is sound, and stays where it is.
        for log in present { logged[log] = nil }
        #expect(Set(back.keys) == Set(logged.keys))
        for (log, scans) in logged {
            let scansBack = back[log] ?? []
            let odd = zip(scans, scansBack).first { $0 != $1 }
            #expect(scansBack.count == scans.count && odd == nil, "\(String(describing: odd))")
        }
        #expect(throws: ProgramError.self) { try recovery.run(into: out) }
    }

    /// As after a copy of `journal.sqlite` alone. SQLite's readers cannot open such a file, which is no proof that it is
    /// sound.
    @Test func aJournalWithoutItsLogIsRead() throws {
        let logged = try make()
        try foldLogBack()
        let path = folder.file("journal.sqlite")
        for suffix in ["-wal", "-shm"] { try Files.remove(path + suffix) }
        let bytes = try Files.read(path)
        let out = folder.file("out")
        let report = try Recovery(folder: folder.path).run(into: out)
        #expect(report.files == [path] && report.missing == 0 && report.orphans == 0)
        let reader = JournalReader(folder: out)
        let records = try reader.journals()
        #expect(Set(records.map(\.journalID)) == Set(logged.keys))
        for record in records {
            #expect(try reader.read(journal: record.id, after: 0, limit: 100_000) == logged[record.journalID])
        }
        #expect(try Files.read(path) == bytes, "what is recovered from stays as it is")
    }

    @Test func aSoundJournalIsLeftAlone() throws {
        _ = try make()
        #expect(Recovery(folder: folder.path).sources().isEmpty)
        #expect(try !JournalReader(folder: folder.path).mayHaveGaps())
    }

    /// Noise makes no scans.
    @Test func noiseHoldsNothing() {
        var random = TestRandom(seed: 9)
        let bytes = (0..<1 << 20).map { _ in UInt8.random(in: 0...255, using: &random) }
        var found = 0
        RecordCarver.carve(bytes[...], in: 0..<bytes.count) { _ in found += 1 }
        #expect(found < 3)
    }
}
