import CLI
import FileSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@testable import DataFolder
@testable import ScanJournal

let scanner = ScannerID("gate-7")!

extension Journal {
    /// One more tap; its tag is the number of the tap.
    @discardableResult
    func tap(_ number: Int64, atMs: Int64 = 1_795_468_021_123, gate: Int64? = 7) throws -> Scan {
        try append(
            atMs: atMs + number, tag: TagID(rawValue: number), verdict: .admitted, flags: .out, gate: gate,
            snapshot: 1_795_400_000)
    }
}

@Suite struct JournalTests {
    private let folder = TemporaryFolder("journal")

    @Test func numbersScansWithoutGaps() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(journal.lastSeq == 0 && journal.lastAtMs == nil)
        for number in 1...5 {
            let scan = try journal.tap(Int64(number))
            #expect(scan.seq == Int64(number) && scan.atMs == 1_795_468_021_123 + Int64(number))
        }
        #expect(journal.lastSeq == 5)
        let reader = JournalReader(folder: folder.path)
        let records = try reader.journals()
        #expect(records.count == 1)
        #expect(records[0].log == journal.id && records[0].scanner == scanner && records[0].lastSeq == 5)
        let scans = try reader.read(journal: records[0].id, after: 0, limit: 100)
        #expect(scans.map(\.seq) == [1, 2, 3, 4, 5])
        #expect(
            scans[3]
                == Scan(
                    seq: 4, atMs: 1_795_468_021_127, tag: TagID(rawValue: 4), verdict: .admitted, flags: .out, gate: 7,
                    snapshot: 1_795_400_000))
        #expect(try reader.read(journal: records[0].id, after: 3, limit: 1).map(\.seq) == [4])
        #expect(try reader.read(journal: records[0].id, after: 5, limit: 1).isEmpty)
    }

    @Test func aTapIsInTheLogWhenAppendReturns() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        for number in 1...3 {
            let before = Files.status(folder.file("journal.sqlite-wal"))!.size
            try journal.tap(Int64(number))
            #expect(Files.status(folder.file("journal.sqlite-wal"))!.size > before)
        }
    }

    @Test func keepsEveryBitOfWhatItIsGiven() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        let entries = [
            Journal.Entry(
                atMs: 0, tag: TagID(rawValue: .min), verdict: Verdict(rawValue: 255), flags: Flags(rawValue: 255),
                gate: nil, snapshot: 0),
            Journal.Entry(
                atMs: 7_258_118_399_999, tag: TagID(rawValue: .max), verdict: .laneFree, flags: [], gate: 1 << 52,
                snapshot: 1 << 52),
        ]
        let written = try entries.map {
            try journal.append(
                atMs: $0.atMs, tag: $0.tag, verdict: $0.verdict, flags: $0.flags, gate: $0.gate, snapshot: $0.snapshot)
        }
        let reader = JournalReader(folder: folder.path)
        #expect(try reader.read(journal: reader.journals()[0].id, after: 0, limit: 9) == written)
        #expect(written.map(\.atMs) == entries.map(\.atMs) && written.map(\.tag) == entries.map(\.tag))
    }

    @Test func holdsTimesWithinWhatABatchCanCarry() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(try journal.tap(0, atMs: -5).atMs == 0)
        #expect(try journal.tap(0, atMs: .max).atMs == 7_258_118_399_999)
    }

    @Test func eachStartBeginsAJournal() throws {
        var logs: [JournalID] = []
        for (index, name) in ["gate-7", "gate-8", "gate-7"].enumerated() {
            let journal = try Journal(folder: folder.path, scanner: ScannerID(name)!)
            logs.append(journal.id)
            #expect(journal.lastAtMs == (index == 0 ? nil : 1_795_468_021_122 + Int64(2 * index)))
            for number in 0...index { try journal.tap(Int64(index + number + 1)) }
        }
        let records = try JournalReader(folder: folder.path).journals()
        #expect(Set(logs).count == 3)
        #expect(records.map(\.log) == logs)
        #expect(records.map(\.scanner.text) == ["gate-7", "gate-8", "gate-7"])
        #expect(records.map(\.lastSeq) == [1, 2, 3])
        let reader = JournalReader(folder: folder.path)
        #expect(try reader.journals(after: records[1].id) == [records[2]])
        // Its own scanner's alone, beyond what was shipped; a cursor ahead of the file counts for nothing.
        #expect(try reader.backlog(beyond: [:], scanner: scanner) == 4)
        #expect(try reader.backlog(beyond: [logs[0]: 1, logs[2]: 1], scanner: scanner) == 2)
        #expect(try reader.backlog(beyond: [logs[0]: 99], scanner: scanner) == 3)
    }

    @Test func aDayOldJournalIsFollowedByAnother() throws {
        var now: Int64 = 5_000
        let journal = try Journal(folder: folder.path, scanner: scanner, monotonicMs: { now })
        let first = journal.id
        now += Journal.ageLimitMs - 1
        try journal.tap(1)
        #expect(journal.id == first)
        now += 1
        #expect(try journal.tap(2).seq == 1)
        #expect(journal.id != first)
        let second = journal.id
        now += Journal.ageLimitMs
        #expect(try journal.appendBatch([]).isEmpty)
        #expect(journal.id != second)
        #expect(try JournalReader(folder: folder.path).journals().map(\.lastSeq) == [1, 1, 0])
    }

    @Test func oneGateAtATime() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(throws: FileLock.Held.self) { try Journal(folder: folder.path, scanner: scanner) }
        try journal.tap(1)
    }

    @Test func fillsInBulkAllOrNothing() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        let entries = (1...1_000).map { number in
            Journal.Entry(
                atMs: Int64(number), tag: TagID(rawValue: Int64(number)), verdict: .admitted, flags: [], gate: nil,
                snapshot: 0)
        }
        #expect(try journal.appendBatch(entries).map(\.seq) == Array(1...1_000))
        #expect(try journal.tap(1).seq == 1_001)
        #expect(try JournalReader(folder: folder.path).journals()[0].lastSeq == 1_001)
    }

    @Test func theLogStaysSmall() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        let reader = JournalReader(folder: folder.path)
        for round in 1...60 {
            _ = try journal.appendBatch(
                (1...6_000).map {
                    Journal.Entry(
                        atMs: Int64($0), tag: TagID(rawValue: Int64($0)), verdict: .admitted, flags: [], gate: 7,
                        snapshot: 9)
                })
            #expect(try reader.journals()[0].lastSeq == Int64(round * 6_000))
        }
        let size = Files.status(folder.file("journal.sqlite-wal"))!.size
        #expect(size <= 8 << 20, "\(size) bytes of write-ahead log")
        #expect(Files.status(folder.file("journal.sqlite"))!.size > 1 << 20)
    }

    @Test(arguments: ["header", "middle", "text", "foreign", "later"])
    func aDamagedFileIsSetAside(_ kind: String) throws {
        let path = folder.file("journal.sqlite")
        var old: JournalID?
        do {
            let journal = try Journal(folder: folder.path, scanner: scanner)
            old = journal.id
            _ = try journal.appendBatch(
                (1...5_000).map {
                    Journal.Entry(
                        atMs: Int64($0), tag: TagID(rawValue: Int64($0)), verdict: .admitted, flags: [], gate: 7,
                        snapshot: 9)
                })
        }
        do {
            let database = try Database(path, .readWrite)
            if kind == "foreign" { try database.execute("PRAGMA application_id = 1") }
            if kind == "later" { try database.execute("PRAGMA user_version = 2") }
            _ = try database.int("PRAGMA wal_checkpoint(TRUNCATE)")
        }
        var bytes = try Files.read(path)
        #expect(bytes.count > 100_000)
        switch kind {
        case "header": for index in 0..<100 { bytes[index] = 0 }
        case "middle": for index in 40_000..<60_000 { bytes[index] = 0xa5 }
        case "text": bytes = Array("this is not a database, whatever its name says; it is long enough to be one".utf8)
        default: break
        }
        try Files.writeAtomically(bytes, to: path)
        try Files.writeAtomically([], to: path + "-wal")

        let journal = try Journal(folder: folder.path, scanner: scanner)
        #expect(try journal.tap(1).seq == 1)
        #expect(journal.id != old)
        let aside = try Files.list(folder.path).filter {
            $0.hasPrefix("journal.sqlite.damaged-") && !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm")
        }
        #expect(aside.count == 1)
        #expect(try Files.read(folder.file(aside[0])).count == bytes.count)
        #expect(try JournalReader(folder: folder.path).journals().map(\.log) == [journal.id])
    }

    @Test func aFullDiskIsToldAndPasses() throws {
        let journal = try Journal(folder: folder.path, scanner: scanner)
        try journal.tap(1)
        let entries = (1...3_000).map {
            Journal.Entry(
                atMs: Int64($0), tag: TagID(rawValue: Int64($0)), verdict: .admitted, flags: [], gate: 7, snapshot: 9)
        }
        try journal.limitPages(8)
        let error = #expect(throws: DataFileError.self) { try journal.appendBatch(entries) }
        #expect(error?.isFull == true && error?.isDamaged == false)
        #expect(error?.description.contains("the disk is full") == true)
        #expect(journal.lastSeq == 1)
        try journal.limitPages(1 << 20)
        #expect(try journal.tap(2).seq == 2)
        let reader = JournalReader(folder: folder.path)
        #expect(try reader.read(journal: reader.journals()[0].id, after: 0, limit: 10).map(\.tag.rawValue) == [1, 2])
    }

    @Test func aFolderThatCannotBeWrittenIsTold() {
        #expect(throws: (any Error).self) { try Journal(folder: "/proc/nothing", scanner: scanner) }
    }
}
