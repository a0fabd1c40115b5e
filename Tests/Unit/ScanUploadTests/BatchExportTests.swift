import ErrorModel
import FileSystem
import SQLite
import ScanBatchCodec
import ScanJournal
import ScanModel
import TestSupport
import Testing

@testable import DataFolder
@testable import ScanUpload

/// `export`: batch files in a folder, as on a USB stick.
struct BatchExportTests {
    private let folder = TemporaryFolder("export")
    private let scanner = ScannerID("gate-7")!
    private var data: String { folder.file("data") }
    private var stick: String { folder.file("stick") }

    private func entries(_ count: Int, gate: Int64 = 7, atMs: Int64 = 1_795_468_021_123, flags: Flags = [])
        -> [Journal.Entry]
    {
        (1...count).map {
            Journal.Entry(
                atMs: atMs + Int64($0) * 1_000, tag: TagID(rawValue: Int64($0) &* 0x5851_f42d_4c95_7f2d),
                verdict: .admitted, flags: flags, gate: gate, snapshot: 9)
        }
    }

    private func export(_ choice: BatchExport.Choice = .unconfirmed, to out: String? = nil) throws -> BatchExport.Report
    {
        try BatchExport(choice, folder: data, scanner: nil, output: out ?? stick).run()
    }

    private func batches(_ folder: String? = nil) throws -> [ScanBatch] {
        let folder = folder ?? stick
        return try Files.list(folder).map { try ScanBatch(decoding: Files.read(folder + "/" + $0)) }
    }

    /// Returns how many files contain each seq of a journal.
    private func seqs(_ log: JournalID) throws -> [Int64: Int] {
        var seqs: [Int64: Int] = [:]
        for batch in try batches() where batch.journalID == log {
            for seq in batch.first...batch.last { seqs[seq, default: 0] += 1 }
        }
        return seqs
    }

    @Test func reasonsTravelWithTheirScans() throws {
        let journal = try Journal(folder: data, scanner: scanner)
        _ = try journal.appendBatch(entries(3))
        _ = try journal.append(entries(1)[0], reason: String(repeating: "é", count: 300))
        _ = try journal.append(entries(1)[0], reason: "band broken")
        _ = try export()
        #expect(try batches().map(\.notes) == [[3: String(repeating: "é", count: 128), 4: "band broken"]])
    }

    @Test func batchEndsBeforeMoreNotesThanItHolds() throws {
        let journal = try Journal(folder: data, scanner: scanner)
        for _ in 0...ScanBatch.notesLimit { _ = try journal.append(entries(1)[0], reason: "x") }
        _ = try export()
        #expect(try batches().map(\.count) == [ScanBatch.notesLimit, 1])
        #expect(try batches().map(\.notes.count) == [ScanBatch.notesLimit, 1])
    }

    @Test func filesAreBatchesUnderNamesThatSort() throws {
        let journal = try Journal(folder: data, scanner: scanner)
        _ = try journal.appendBatch(entries(4_500))
        let logged = try journal.appendBatch(entries(100, gate: 8))
        let report = try export()
        #expect(report.source.scanner == "gate-7" && report.scans == 4_600 && report.written == 3 && report.kept == 0)
        let batches = try batches()
        #expect(batches.map(\.first) == [1, 4_001, 4_501] && batches.map(\.count) == [4_000, 500, 100])
        #expect(batches.map(\.backlog) == [600, 100, 0] && batches.map(\.gate) == [7, 7, 8])
        #expect((0..<100).map { batches[2][$0] } == logged)
        for (name, batch) in zip(try Files.list(stick), batches) {
            // The encoding is deterministic, and the name contains the digest.
            #expect(try Files.read(stick + "/" + name) == batch.encoded())
            #expect("\(BatchFiles.name(batch.encoded(), of: batch, scanner))" == name)
        }
        // The gate can continue to journal.
        #expect(try journal.appendBatch(entries(1)).map(\.seq) == [4_601])
        #expect(try UploadCursors.read(folder: data) == [:], "an export moves no cursor")
    }

    @Test func repeatedExportWritesOnlyNewScans() throws {
        let journal = try Journal(folder: data, scanner: scanner)
        _ = try journal.appendBatch(entries(100))
        _ = try export()
        let names = try Files.list(stick)
        let first = try Files.read(stick + "/" + names[0])
        _ = try journal.appendBatch(entries(50))
        let second = try export()
        #expect(second.written == 1 && second.scans == 50 && second.kept == 1 && second.keptScans == 100)
        #expect(try Files.read(stick + "/" + names[0]) == first)
        #expect(try export().written == 0)
        // The broker has confirmed a part.
        let cursor = try UploadCursors(folder: data)
        try cursor.advance(journal.id, scanner: scanner, to: 120)
        _ = try journal.appendBatch(entries(10))
        let third = try export()
        #expect(third.written == 1 && third.scans == 10 && third.keptScans == 30)
        #expect(try seqs(journal.id) == Dictionary(uniqueKeysWithValues: (1...160).map { ($0, 1) }))
        // All is confirmed: an export to another folder is empty, unless all scans are requested.
        try cursor.advance(journal.id, scanner: scanner, to: 160)
        #expect(try export(to: folder.file("other")).written == 0)
        #expect(try export(.all, to: folder.file("other")).scans == 160)
    }

    @Test func corruptFilesAreReplaced() throws {
        let journal = try Journal(folder: data, scanner: scanner)
        _ = try journal.appendBatch(entries(9_000))
        _ = try export()
        let names = try Files.list(stick)
        let valid = try names.map { try Files.read(stick + "/" + $0) }
        #expect(names.count == 3)
        let before = try batches()
        // Another batch, a truncated file, and the content of another file.
        var batch = before[0]
        batch.tags[5] ^= 1
        try Files.writeAtomically(batch.encoded(), to: stick + "/" + names[0])
        try Files.writeAtomically(valid[1].dropLast(), to: stick + "/" + names[1])
        try Files.writeAtomically(valid[1], to: stick + "/" + names[2])
        // Temporary files of an interrupted export are deleted, but not files of other scanners or journals.
        try Files.writeAtomically(valid[0].prefix(100), to: stick + "/" + names[0] + ".tmp-77")
        let other = "\(stick)/" + names[0].replacing("gate-7", with: "gate-9")
        let lost = "\(stick)/" + names[0].replacing("\(journal.id)", with: "\(JournalID.random())")
        for path in [other, other + ".tmp-77", lost] { try Files.writeAtomically([1], to: path) }
        #expect(try export().written == 3)
        for path in [other, other + ".tmp-77", lost] {
            #expect(Files.exists(path))
            try Files.remove(path)
        }
        let again = try batches()
        #expect(again.map(\.tags) == before.map(\.tags) && again.map(\.first) == before.map(\.first))
        #expect(try export().kept == 3)
    }

    @Test func corruptFileOfUnrequestedScansStays() throws {
        let journal = try Journal(folder: data, scanner: scanner)
        _ = try journal.appendBatch(entries(6_000))
        _ = try export()
        let names = try Files.list(stick)
        #expect(names.count == 2)
        for name in names {
            try Files.writeAtomically(Files.read(stick + "/" + name).dropLast(), to: stick + "/" + name)
        }
        // From scan 4,001 on, the first one of the second file.
        #expect(try export(.since(1_795_468_021_123 + 4_001_000)).scans == 2_000)
        let left = try Files.list(stick)
        #expect(left.count == 2 && left.contains(names[0]) && !left.contains(names[1]))
        let report = try export()
        #expect(report.scans == 4_000 && report.kept == 1)
        #expect(try batches().map(\.count) == [4_000, 2_000])
    }

    @Test func corruptCursorFileExportsAllScans() throws {
        let journal = try Journal(folder: data, scanner: scanner)
        _ = try journal.appendBatch(entries(20))
        do { try UploadCursors(folder: data).advance(journal.id, scanner: scanner, to: 15) }
        #expect(try export(to: folder.file("other")).scans == 5)
        try Files.writeAtomically([UInt8](repeating: 0x5a, count: 8_192), to: data + "/shipped.sqlite")
        #expect(throws: DataFileError.self) { try UploadCursors.read(folder: data) }
        let report = try export()
        #expect(report.scans == 20 && report.source.isComplete)
    }

    @Test func corruptJournalMakesExportIncompleteUntilRecovered() throws {
        do { _ = try Journal(folder: data, scanner: scanner).appendBatch(entries(20)) }
        // The header of the file, and that of the WAL, from which SQLite could restore the first.
        for name in ["journal.sqlite", "journal.sqlite-wal"] where Files.exists(data + "/" + name) {
            try Files.put([UInt8](repeating: 0x5a, count: 24), into: data + "/" + name, at: 0)
        }
        let journal = try Journal(folder: data, scanner: scanner)
        _ = try journal.appendBatch(entries(3))
        let corrupt = try #require(Recovery(folder: data).renamedFiles.first).split(separator: "/").last.map(
            String.init)
        let before = try export()
        #expect(
            before.scans == 3 && before.source.unread == [corrupt] && before.source.apart == []
                && !before.source.isComplete)
        #expect(before.lines().contains { $0.hasPrefix("not read   ") })
        #expect(try Recovery(folder: data).run(into: DataFolderPaths.recovered(data)).scans == 20)
        let after = try export()
        #expect(
            after.keptScans == 3 && after.source.unread == [] && after.source.apart == [corrupt]
                && after.source.isComplete)
        #expect(after.lines().contains { $0.hasPrefix("apart      ") })
        let recovered = try BatchExport(
            .unconfirmed, folder: DataFolderPaths.recovered(data), scanner: nil, output: stick
        ).run()
        #expect(recovered.scans == 20 && recovered.source.isComplete)
    }

    @Test func otherScannersAreReportedAndNotExported() throws {
        var logs: [JournalID] = []
        for (id, count) in [("gate-7", 3), ("gate-9", 5), ("gate-7", 2)] {
            let journal = try Journal(folder: data, scanner: ScannerID(id)!)
            logs.append(journal.id)
            _ = try journal.appendBatch(entries(count))
        }
        let error = #expect(throws: UploadError.self) { try export() }
        #expect(error?.category == .configuration && error?.description.contains("gate-9 (5 scans)") == true)
        let report = try BatchExport(.unconfirmed, folder: data, scanner: scanner, output: stick).run()
        #expect(report.scans == 5 && report.source.foreign == ["gate-9": 5])
        let second = try #require(try batches().first { $0.journalID == logs[2] })
        #expect(second.after == ScanBatch.After(journalID: logs[0], lastSeq: 3) && second.backlog == 0)
        #expect(try BatchExport(.all, folder: data, scanner: ScannerID("gate-1")!, output: stick).run().scans == 0)
    }

    @Test func exportSinceATimeIncludesAllLaterScans() throws {
        let hour: Int64 = 3_600_000
        let begin: Int64 = 1_795_468_021_123
        var logs: [JournalID] = []
        // The third journal was made under a wrong clock that counted as trusted.
        for atMs in [begin, begin + hour, begin - 1_000 * hour, begin + 2 * hour] {
            let journal = try Journal(folder: data, scanner: scanner)
            logs.append(journal.id)
            _ = try journal.appendBatch(entries(10, atMs: atMs))
        }
        func asked(_ sinceMs: Int64) throws -> [Int64] {
            let selection = try JournalSelection(.since(sinceMs), of: scanner, in: data)
            return selection.parts.map { $0.last - $0.after }
        }
        #expect(try asked(0) == [10, 10, 10, 10])
        #expect(try asked(begin + 5_000) == [6, 10, 10, 10])
        #expect(try asked(begin + hour) == [0, 10, 10, 10])
        #expect(try asked(begin + 2 * hour) == [0, 0, 0, 10])
        #expect(try asked(begin + 3 * hour) == [0, 0, 0, 0])
        let journal = try Journal(folder: data, scanner: scanner)
        _ = try journal.appendBatch(entries(3, atMs: begin - hour))
        _ = try journal.appendBatch(entries(3, atMs: begin - hour, flags: .clockNotTrusted))
        #expect(try asked(begin + 3 * hour) == [0, 0, 0, 0, 3])
        #expect(try export(.since(begin + 3 * hour)).scans == 3)
    }

    @Test func folderWithoutRunningGateIsExported() throws {
        let living = folder.file("living")
        let journal = try Journal(folder: living, scanner: scanner)
        _ = try journal.appendBatch(entries(20))
        try Files.makeFolder(data)
        for name in ["journal.sqlite", "journal.sqlite-wal"] {
            try Files.writeAtomically(Files.read(living + "/" + name), to: data + "/" + name)
        }
        #expect(try export().scans == 20)
    }

    @Test func folderWithoutJournalIsRejected() throws {
        try Files.makeFolder(folder.file("empty"))
        for (data, expected) in [
            (folder.file("empty"), UploadError.journalMissing(folder: folder.file("empty"))),
            (folder.file("none"), UploadError.folderMissing(path: folder.file("none"))),
        ] {
            #expect(throws: expected) { try BatchExport(.all, folder: data, scanner: nil, output: stick).run() }
        }
    }

    @Test func fullFolderKeepsCompleteFiles() throws {
        let disk = try SmallDisk(.tmpfs, megabytes: 1)
        let journal = try Journal(folder: data, scanner: scanner)
        _ = try journal.appendBatch(entries(40_000))
        let filler = disk.path + "/filler"
        try Files.writeAtomically([UInt8](repeating: 0, count: 700_000), to: filler)
        let error = #expect(throws: UploadError.self) { try export(to: disk.path) }
        guard case .outputFull = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        try Files.remove(filler)
        let there = try batches(disk.path)
        #expect((1...9).contains(there.count) && there.allSatisfy { $0.count == 4_000 })
        let report = try export(to: disk.path)
        #expect(report.kept == there.count && report.written == 10 - there.count)
        #expect(throws: UploadError.outputFolderMissing(path: folder.file("not/mounted"))) {
            try export(to: folder.file("not/mounted"))
        }
    }
}
