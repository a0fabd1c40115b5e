import FileSystem
import LinuxSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@testable import DataFolder
@testable import ScanJournal

private func entry(_ number: Int64, atMs: Int64 = 1_795_468_021_123) -> Journal.Entry {
    Journal.Entry(
        atMs: atMs + number, tag: TagID(rawValue: number), verdict: .admitted, flags: [], gate: 7, snapshot: 1)
}

/// Counters, reasons, what is read back, and the work of idle moments.
@Suite struct JournalChoresTests {
    private let folder = TemporaryFolder("chores")
    private static let day: Int64 = 86_400_000

    @Test func keepsTheNewestCounterOfATagThroughRestarts() throws {
        do {
            let journal = try Journal(folder: folder.path, scanner: scanner)
            #expect(try journal.counter(of: TagID(rawValue: 5)) == nil)
            #expect(try journal.append(entry(5), counter: 61).seq == 1)
            #expect(try journal.counter(of: TagID(rawValue: 5)) == 61)
            #expect(try journal.append(entry(5), counter: 62).seq == 2)
            #expect(try journal.append(entry(6)).seq == 3)
        }
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(try journal.counter(of: TagID(rawValue: 5)) == 62)
        #expect(try journal.counter(of: TagID(rawValue: 6)) == nil)
        #expect(try journal.recent(sinceMs: 0).map(\.seq) == [1, 2, 3])
    }

    @Test func aCounterAndItsScanAreOneCommit() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        try journal.database.execute(
            "DROP TABLE reasons; CREATE TABLE reasons(id INTEGER PRIMARY KEY, reason INTEGER CHECK (0))")
        try journal.tap(1)
        #expect(throws: DataFileError.self) { try journal.append(entry(5), counter: 7, reason: "no") }
        #expect(journal.lastSeq == 1)
        #expect(try journal.counter(of: TagID(rawValue: 5)) == nil)
        #expect(try journal.append(entry(5), counter: 8).seq == 2)
    }

    @Test func keepsReasonsBesideTheirScans() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        try journal.tap(1)
        _ = try journal.append(entry(2), reason: String(repeating: "x", count: 600))
        #expect(try journal.database.int("SELECT id & 4294967295 FROM reasons") == 2)
        #expect(try journal.database.text("SELECT reason FROM reasons")?.count == Journal.reasonLimit)
    }

    @Test func anAnnulmentStaysInItsJournal() throws {
        var now: Int64 = 5_000
        let journal = try Journal(folder: folder.path, scanner: scanner, monotonicMs: { now })
        let first = journal.id
        try journal.tap(1)
        now += Journal.ageLimitMs
        #expect(try journal.append(entry(1), continues: true).seq == 2)
        #expect(journal.id == first)
        #expect(try journal.append(entry(1)).seq == 1)
        #expect(journal.id != first)
    }

    @Test func readsBackFromTheFirstScanSince() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        for atMs in [100, 200, 150, 300, 250, 400] as [Int64] { _ = try journal.append(entry(0, atMs: atMs)) }
        #expect(try journal.recent(sinceMs: 260).map(\.atMs) == [300, 250, 400])
        #expect(try journal.recent(sinceMs: 200).map(\.atMs) == [200, 150, 300, 250, 400])
        #expect(try journal.recent(sinceMs: 401).isEmpty)
    }

    @Test func aFileOfTheFirstReleaseGetsWhatItLacks() throws {
        do {
            let journal = try Journal(folder: folder.path, scanner: scanner)
            try journal.tap(1)
            try journal.database.execute(
                "DROP TABLE counters; DROP TABLE reasons; DROP TABLE reserve; DROP TABLE pruning")
        }
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(try journal.append(entry(5), counter: 1, reason: "r").seq == 1)
        #expect(try journal.recent(sinceMs: 0).count == 2)
        #expect(journal.health.damaged.isEmpty)
    }

    @Test func idleMomentsKeepLogAndReserveAndThenRest() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner, monotonicMs: { 5_000 })
        #expect(!journal.health.isReserveWhole)
        var steps = 0
        while try journal.performMaintenance() { steps += 1 }
        #expect(steps > 20 && steps < 200)
        #expect(journal.health.isReserveWhole && journal.health.problem == nil)
        #expect(Files.status(folder.file("journal.sqlite-wal"))?.size == MaintenanceState.walBytes)
        #expect(try !journal.performMaintenance())
        // The log is never made longer, and the file does not grow with the taps: its room was taken before.
        for round in 1...20 {
            for number in 1...300 { try journal.tap(Int64(round * 300 + number)) }
            while try journal.performMaintenance() {}
        }
        #expect(Files.status(folder.file("journal.sqlite-wal"))?.size == MaintenanceState.walBytes)
        #expect(try journal.database.text("PRAGMA quick_check") == "ok")
        #expect(try JournalReader(folder: folder.path).journals()[0].lastSeq == 6_000)
    }

    /// Journals of 3,000 scans each, some days apart.
    private func years(_ agesInDays: [Int64], now: Int64) throws -> [JournalID] {
        try agesInDays.map { age in
            let journal = try Journal(folder: folder.path, scanner: scanner)
            _ = try journal.appendBatch((1...3_000).map { entry($0, atMs: now - age * Self.day - 3_000) })
            return journal.id
        }
    }

    private func tidied(_ now: Int64, keepFromMs: Int64 = .max) throws -> [JournalID] {
        // Journals say when they were made, by the device clock: as old as their scans.
        let journal = try Journal(folder: folder.path, scanner: scanner)
        try journal.database.execute(
            "UPDATE journals SET created = coalesce((SELECT min(at) FROM scans s WHERE s.id >> 32 = journals.id), created)"
        )
        try journal.tap(1, atMs: now)
        journal.keepFromMs = keepFromMs
        while try journal.performMaintenance() {}
        #expect(try journal.database.int("SELECT count(*) FROM pruning") == 0)
        #expect(
            try journal.database.int(
                "SELECT count(*) FROM scans WHERE id >> 32 NOT IN (SELECT id FROM journals)") == 0)
        return try JournalReader(folder: folder.path).journals().dropLast().map(\.journalID)
    }

    @Test func whatIsShippedAndOldIsPrunedAndNothingElse() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        let logs = try years([100, 50, 40, 3, 1], now: now)
        #expect(try tidied(now) == logs, "nothing is shipped")
        do {
            let shipped = try UploadCursors(folder: folder.path)
            try shipped.advance(logs[0], scanner: scanner, to: 3_000)
            try shipped.advance(logs[1], scanner: scanner, to: 2_999)
            for log in logs[2...] { try shipped.advance(log, scanner: scanner, to: 3_000) }
        }
        #expect(try tidied(now).prefix(4) == logs[1...])
        do { try UploadCursors(folder: folder.path).advance(logs[1], scanner: scanner, to: 3_000) }
        // The event day before this one goes on since the 45th day: the lane needs its scans.
        #expect(try tidied(now, keepFromMs: now - 45 * Self.day).prefix(3) == logs[2...])
        #expect(try tidied(now).prefix(2) == logs[3...])
        let shipped = try UploadCursors.read(folder: folder.path)
        #expect(try JournalReader(folder: folder.path).backlog(beyond: shipped, scanner: scanner) < 100)
    }

    @Test func aClockThatJumpsAheadPrunesNothing() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        let logs = try years([31, 29], now: now - 200 * Self.day)
        do { for log in logs { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 3_000) } }
        #expect(try tidied(now - 200 * Self.day).contains(logs[1]))
        #expect(try !tidied(now - 200 * Self.day).contains(logs[0]))
    }

    /// One tap with a time of the far future keeps neither its journal for ever nor those that wait behind it.
    @Test func aScanOfTheFutureStopsNoPruning() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        let logs = try years([100, 50, 40, 3], now: now)
        do {
            for log in logs { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 3_000) }
            let journal = try Journal(folder: folder.path, scanner: scanner)
            try journal.database.execute(
                "UPDATE scans SET at = \(now + 900 * Self.day) WHERE id IN (1 << 32 | 3000, 2 << 32 | 3000)")
        }
        #expect(try tidied(now).first == logs[3])
    }

    @Test func pruningWaitsForNoPublisher() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        let logs = try years([100, 50], now: now)
        do { for log in logs { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 3_000) } }
        // A publisher that is just recovering its file after a kill holds it like this.
        var holder: Database? = try Database(folder.file("shipped.sqlite"), .readWrite)
        try holder?.execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        let begunMs = SystemClock.monotonicMs()
        #expect(try UploadCursors.read(folder: folder.path, busyTimeoutMs: 0).isEmpty)
        #expect(try tidied(now).prefix(2) == logs[...], "what is not known to be shipped stays")
        #expect(SystemClock.monotonicMs() - begunMs < 4_000, "as long as a tap would have waited")
        holder = nil
        #expect(try !tidied(now).contains(logs[0]))
    }

    @Test func journalsOfOthersStay() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        do {
            let other = try Journal(folder: folder.path, scanner: ScannerID("gate-8")!)
            _ = try other.appendBatch((1...10).map { entry($0, atMs: now - 100 * Self.day) })
            try UploadCursors(folder: folder.path).advance(other.id, scanner: ScannerID("gate-8")!, to: 10)
        }
        #expect(try tidied(now).count == 1)
    }

    @Test func pruningIsTakenUpAfterAKill() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        let logs = try years([100, 50], now: now)
        do { for log in logs { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 3_000) } }
        do {
            let journal = try Journal(folder: folder.path, scanner: scanner)
            try journal.database.execute("UPDATE journals SET created = 0")
            try journal.tap(1, atMs: now)
            // The first leaves the readers' view at once, its scans follow.
            while try journal.database.int("SELECT count(*) FROM pruning") == 0 { _ = try journal.performMaintenance() }
            _ = try journal.performMaintenance()
            #expect(try JournalReader(folder: folder.path).journals().first?.journalID == logs[1])
            #expect(
                try (1..<3_000).contains(journal.database.int("SELECT count(*) FROM scans WHERE id >> 32 = 1") ?? 0))
        }
        #expect(try !tidied(now).contains(logs[1]))
    }
}
