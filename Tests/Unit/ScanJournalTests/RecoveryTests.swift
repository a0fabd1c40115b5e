import FileSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@testable import ScanJournal

/// Recovery from several kinds of damage.
@Suite struct RecoveryTests {
    enum Damage: String, CaseIterable {
        /// The first page, with the header and the schema.
        case header
        /// The header of each page. Only the rows are intact.
        case pointers
        /// Random bytes in random places.
        case holes
        case truncated
        /// Only the WAL is left.
        case fileLost
        /// The page with the rows of the journals.
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

    /// Makes two journals. The last scans are only in the WAL. Returns all scans by journal.
    private func make() throws -> [JournalID: [Scan]] {
        var appended: [JournalID: [Scan]] = [:]
        for round in 0..<2 {
            let journal = try Journal(folder: folder.path, scanner: scanner)
            appended[journal.id] = try journal.appendBatch((1...RecoveryTests.count).map(RecoveryTests.entry))
            if round == 1 { _ = try journal.database.int("PRAGMA wal_checkpoint(TRUNCATE)") }
            for number in 1...50 {
                appended[journal.id, default: []].append(
                    try journal.append(
                        Journal.Entry(
                            atMs: 1_795_468_021_123, tag: TagID(rawValue: Int64(number)), verdict: .admitted, flags: [],
                            gate: 7, snapshot: 1), reason: "Band lost, ID seen: نعم \(number)"))
            }
        }
        return appended
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
        // The file ends in preallocated space.
        case .truncated: bytes.removeLast(bytes.count - 160_000)
        case .fileLost: bytes = [UInt8](repeating: 0, count: 8_192)
        case .journalsPage:
            let page = try Database(path, .readOnly).int("SELECT rootpage FROM sqlite_master WHERE name = 'journals'")!
            for index in Int(page - 1) * 4_096..<Int(page) * 4_096 { bytes[index] = 0xff }
        case .reasonsInLog: bytes[100] = 0xff
        }
        try Files.writeAtomically(bytes, to: path)
    }

    @Test(arguments: Damage.allCases) func readableScansAreRecovered(_ kind: Damage) throws {
        let appended = try make()
        try damage(kind)
        let out = folder.file("out")
        let report = try Recovery(folder: folder.path, scanner: scanner).run(into: out)
        let reader = JournalReader(folder: out)
        var back = 0
        for record in try reader.journals() {
            let original = try #require(appended[record.journalID], "an unknown journal")
            let scans = try reader.read(journal: record.id, after: 0, limit: 100_000)
            // Only rows at the edge of random bytes may be wrong, because rows have no checksum.
            let wrong = Set(scans).subtracting(original).count
            #expect(wrong <= (kind == .holes ? 24 : 0), "\(wrong) wrong scans")
            #expect(record.scanner == scanner)
            back += scans.count
        }
        let all = appended.values.reduce(0) { $0 + $1.count }
        #expect(back == report.scans && report.files.count == 1)
        switch kind {
        case .header, .pointers, .journalsPage, .reasonsInLog:
            #expect(back == all && report.missing == 0 && report.orphans == 0)
            // The publisher computes the times of these scans from them.
            let untrusted = appended.values.joined().count { $0.flags.contains(.clockNotTrusted) }
            let clocks = try Database(out + "/journal.sqlite", .readOnly).int("SELECT count(*) FROM clocks")
            #expect(clocks == Int64(untrusted) && untrusted > 0)
        case .holes: #expect(back > all - 12 * 100 && back < all)
        case .truncated: #expect(back > all / 4 && back < all)
        // The row of the journal is lost with the file, but the WAL contains the last pages of scans.
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

    /// Copies the WAL into the file and truncates it.
    private func checkpoint() throws {
        let database = try Database(folder.file("journal.sqlite"), .readWrite)
        try database.persistWAL()
        #expect(try database.int("PRAGMA wal_checkpoint(TRUNCATE)") == 0)
    }

    @Test func severalCorruptFilesAreRecoveredIntoOne() throws {
        var appended: [JournalID: [Scan]] = [:]
        for _ in 0..<3 {
            appended.merge(try make()) { first, _ in first }
            // The WAL would restore the header.
            try checkpoint()
            let path = folder.file("journal.sqlite")
            var bytes = try Files.read(path)
            for index in 0..<100 { bytes[index] = 0 }
            try Files.writeAtomically(bytes, to: path)
            // Renames the file and creates a new one, which the next round damages.
            let journal = try Journal(folder: folder.path, scanner: scanner)
            appended[journal.id] = [try journal.tap(1)]
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
        // The first leaf page is an inner page now, and its old rows are partly overwritten.
        #expect(report.conflicts > 0, "the test has no overwritten rows")
        // The current journal is valid and not included.
        for log in present { appended[log] = nil }
        #expect(Set(back.keys) == Set(appended.keys))
        for (log, scans) in appended {
            let scansBack = back[log] ?? []
            let odd = zip(scans, scansBack).first { $0 != $1 }
            #expect(scansBack.count == scans.count && odd == nil, "\(String(describing: odd))")
        }
        #expect(throws: JournalError.outputExists(path: out + "/journal.sqlite")) { try recovery.run(into: out) }
    }

    /// A copy of `journal.sqlite` without its WAL. A read-only connection cannot open such a file, valid or not.
    @Test func journalWithoutItsWALIsRecovered() throws {
        let appended = try make()
        try checkpoint()
        let path = folder.file("journal.sqlite")
        for suffix in ["-wal", "-shm"] { try Files.remove(path + suffix) }
        let bytes = try Files.read(path)
        let out = folder.file("out")
        let report = try Recovery(folder: folder.path).run(into: out)
        #expect(report.files == [path] && report.missing == 0 && report.orphans == 0)
        let reader = JournalReader(folder: out)
        let records = try reader.journals()
        #expect(Set(records.map(\.journalID)) == Set(appended.keys))
        for record in records {
            #expect(try reader.read(journal: record.id, after: 0, limit: 100_000) == appended[record.journalID])
        }
        #expect(try Files.read(path) == bytes, "the source has changed")
    }

    @Test func validJournalIsNoSource() throws {
        _ = try make()
        #expect(Recovery(folder: folder.path).sources().isEmpty)
        #expect(try !JournalReader(folder: folder.path).mayHaveGaps())
    }

    @Test func randomBytesYieldNoScans() {
        var random = TestRandom(seed: 9)
        let bytes = (0..<1 << 20).map { _ in UInt8.random(in: 0...255, using: &random) }
        var found = 0
        RecordCarver.carve(bytes[...], in: 0..<bytes.count) { _ in found += 1 }
        #expect(found < 3)
    }
}
