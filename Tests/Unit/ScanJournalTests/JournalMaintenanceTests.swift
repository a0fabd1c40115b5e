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

/// Counters, reasons, replay and maintenance.
struct JournalMaintenanceTests {
    private let folder = TemporaryFolder("maintenance")
    private static let day: Int64 = 86_400_000

    @Test func newestCounterSurvivesRestart() throws {
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

    @Test func counterAndScanAreOneTransaction() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        try journal.database.execute(
            "DROP TABLE reasons; CREATE TABLE reasons(id INTEGER PRIMARY KEY, reason INTEGER CHECK (0))")
        try journal.tap(1)
        #expect(throws: DataFileError.self) { try journal.append(entry(5), counter: 7, reason: "no") }
        #expect(journal.lastSeq == 1)
        #expect(try journal.counter(of: TagID(rawValue: 5)) == nil)
        #expect(try journal.append(entry(5), counter: 8).seq == 2)
    }

    @Test func reasonIsStoredWithItsScanAndCut() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        try journal.tap(1)
        _ = try journal.append(entry(2), reason: String(repeating: "x", count: 600))
        #expect(try journal.database.int("SELECT id & 4294967295 FROM reasons") == 2)
        #expect(try journal.database.text("SELECT reason FROM reasons")?.count == Journal.reasonLimit)
    }

    @Test func annulmentStaysInJournalOfItsAdmission() throws {
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

    @Test func replayBeginsWithFirstScanOfRequestedTime() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        for atMs in [100, 200, 150, 300, 250, 400] as [Int64] { _ = try journal.append(entry(0, atMs: atMs)) }
        #expect(try journal.recent(sinceMs: 260).map(\.atMs) == [300, 250, 400])
        #expect(try journal.recent(sinceMs: 200).map(\.atMs) == [200, 150, 300, 250, 400])
        #expect(try journal.recent(sinceMs: 401).isEmpty)
    }

    @Test func missingTablesAreCreatedAtOpening() throws {
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

    @Test func maintenanceFillsWALAndReserveAndThenEnds() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner, monotonicMs: { 5_000 })
        #expect(!journal.health.isReserveWhole)
        var steps = 0
        while try journal.performMaintenance() { steps += 1 }
        #expect(steps > 20 && steps < 200)
        #expect(journal.health.isReserveWhole && journal.health.problem == nil)
        #expect(Files.status(folder.file("journal.sqlite-wal"))?.size == MaintenanceState.walBytes)
        #expect(try !journal.performMaintenance())
        // Neither WAL nor file grow with the taps, because their space is allocated before.
        for round in 1...20 {
            for number in 1...300 { try journal.tap(Int64(round * 300 + number)) }
            while try journal.performMaintenance() {}
        }
        #expect(Files.status(folder.file("journal.sqlite-wal"))?.size == MaintenanceState.walBytes)
        #expect(try journal.database.text("PRAGMA quick_check") == "ok")
        #expect(try JournalReader(folder: folder.path).journals()[0].lastSeq == 6_000)
    }

    /// Makes journals of 3,000 scans each. Returns their IDs.
    private func journals(_ agesInDays: [Int64], now: Int64) throws -> [JournalID] {
        try agesInDays.map { age in
            let journal = try Journal(folder: folder.path, scanner: scanner)
            _ = try journal.appendBatch((1...3_000).map { entry($0, atMs: now - age * Self.day - 3_000) })
            return journal.id
        }
    }

    /// Runs maintenance. Returns the journals that are left, without the new one.
    private func afterMaintenance(_ now: Int64, keepFromMs: Int64 = .max) throws -> [JournalID] {
        // The creation times by the device clock must be as old as the scans.
        let journal = try Journal(folder: folder.path, scanner: scanner)
        try journal.database.execute(
            """
            UPDATE journals SET created = coalesce(
                (SELECT min(at) FROM scans s WHERE s.id >> 32 = journals.id), created)
            """
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

    @Test func onlyOldConfirmedJournalsArePruned() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        let logs = try journals([100, 50, 40, 3, 1], now: now)
        #expect(try afterMaintenance(now) == logs, "no scan is confirmed")
        do {
            let cursors = try UploadCursors(folder: folder.path)
            try cursors.advance(logs[0], scanner: scanner, to: 3_000)
            try cursors.advance(logs[1], scanner: scanner, to: 2_999)
            for log in logs[2...] { try cursors.advance(log, scanner: scanner, to: 3_000) }
        }
        #expect(try afterMaintenance(now).prefix(4) == logs[1...])
        do { try UploadCursors(folder: folder.path).advance(logs[1], scanner: scanner, to: 3_000) }
        // The previous event day began 45 days ago, so the lane needs its scans.
        #expect(try afterMaintenance(now, keepFromMs: now - 45 * Self.day).prefix(3) == logs[2...])
        #expect(try afterMaintenance(now).prefix(2) == logs[3...])
        let cursors = try UploadCursors.read(folder: folder.path)
        #expect(try JournalReader(folder: folder.path).backlog(beyond: cursors, scanner: scanner) < 100)
    }

    @Test func clockAheadPrunesNoNewScans() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        let logs = try journals([31, 29], now: now - 200 * Self.day)
        do { for log in logs { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 3_000) } }
        #expect(try afterMaintenance(now - 200 * Self.day).contains(logs[1]))
        #expect(try !afterMaintenance(now - 200 * Self.day).contains(logs[0]))
    }

    /// A clock that started in the past gives scans no age. They are kept until later scans have one.
    @Test func scansUnderADoubtedClockArePrunedByLaterScans() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        let logs = try journals([100, 50, 3], now: now)
        do {
            for log in logs { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 3_000) }
            let journal = try Journal(folder: folder.path, scanner: scanner)
            try journal.database.execute(
                """
                UPDATE scans SET at = 1000, flags = flags | 4 WHERE id >> 32 = 2;
                UPDATE journals SET created = 1000 WHERE id = 2
                """)
        }
        #expect(try afterMaintenance(now).first == logs[1])
    }

    /// A device without a time source. The monotonic times of the second journal span 34 days.
    @Test func monotonicTimesProveAgeWithoutTrustedClock() throws {
        let logs = try journals([100, 50, 3], now: SystemClock.nowMicroseconds() / 1_000)
        do { for log in logs { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 3_000) } }
        func left(after sql: String) throws -> [JournalID] {
            let journal = try Journal(folder: folder.path, scanner: scanner)
            try journal.database.execute(sql)
            while try journal.performMaintenance() {}
            return try JournalReader(folder: folder.path).journals().map(\.journalID).filter(logs.contains)
        }
        let untrusted = "UPDATE scans SET at = 1000, flags = flags | 4; UPDATE journals SET created = 1000"
        #expect(try left(after: untrusted) == logs)
        func clocks(_ stepMs: Int) -> String {
            """
            DELETE FROM clocks;
            INSERT INTO clocks SELECT id, (id & 4294967295) * \(stepMs), zeroblob(16) FROM scans WHERE id >> 32 = 2
            """
        }
        #expect(try left(after: clocks(800_000)) == logs, "27 days")
        #expect(try left(after: clocks(1_000_000)) == [logs[1], logs[2]])
    }

    @Test func scanWithFutureTimeDoesNotPreventPruning() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        let logs = try journals([100, 50, 40, 3], now: now)
        do {
            for log in logs { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 3_000) }
            let journal = try Journal(folder: folder.path, scanner: scanner)
            try journal.database.execute(
                "UPDATE scans SET at = \(now + 900 * Self.day) WHERE id IN (1 << 32 | 3000, 2 << 32 | 3000)")
        }
        #expect(try afterMaintenance(now).first == logs[3])
    }

    @Test func pruningDoesNotWaitForPublisher() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        let logs = try journals([100, 50], now: now)
        do { for log in logs { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 3_000) } }
        // A publisher that recovers its file after a kill holds such a lock.
        var holder: Database? = try Database(folder.file("shipped.sqlite"), .readWrite)
        try holder?.execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        let begunMs = SystemClock.monotonicMs()
        #expect(try UploadCursors.read(folder: folder.path, busyTimeoutMs: 0).isEmpty)
        #expect(try afterMaintenance(now).prefix(2) == logs[...], "journals without a known cursor stay")
        #expect(SystemClock.monotonicMs() - begunMs < 4_000, "a tap would have waited as long")
        holder = nil
        #expect(try !afterMaintenance(now).contains(logs[0]))
    }

    @Test func journalsOfOtherScannersStay() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        do {
            let other = try Journal(folder: folder.path, scanner: ScannerID("gate-8")!)
            _ = try other.appendBatch((1...10).map { entry($0, atMs: now - 100 * Self.day) })
            try UploadCursors(folder: folder.path).advance(other.id, scanner: ScannerID("gate-8")!, to: 10)
        }
        #expect(try afterMaintenance(now).count == 1)
    }

    @Test func pruningContinuesAfterKill() throws {
        let now = SystemClock.nowMicroseconds() / 1_000
        let logs = try journals([100, 50], now: now)
        do { for log in logs { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 3_000) } }
        do {
            let journal = try Journal(folder: folder.path, scanner: scanner)
            try journal.database.execute("UPDATE journals SET created = 0")
            try journal.tap(1, atMs: now)
            // Readers no longer see the first journal, and its scans are deleted in steps.
            while try journal.database.int("SELECT count(*) FROM pruning") == 0 { _ = try journal.performMaintenance() }
            _ = try journal.performMaintenance()
            #expect(try JournalReader(folder: folder.path).journals().first?.journalID == logs[1])
            #expect(
                try (1..<3_000).contains(journal.database.int("SELECT count(*) FROM scans WHERE id >> 32 = 1") ?? 0))
        }
        #expect(try !afterMaintenance(now).contains(logs[1]))
    }
}
