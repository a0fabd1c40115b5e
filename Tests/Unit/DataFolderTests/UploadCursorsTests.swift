import DataFolder
import ErrorModel
import FileSystem
import SQLite
import ScanModel
import TestSupport
import Testing

struct UploadCursorsTests {
    private let folder = TemporaryFolder("cursors")
    private let scanner = ScannerID("gate-7")!
    private let journal = JournalID.random()

    @Test func cursorNeverMovesBack() throws {
        let cursors = try UploadCursors(folder: folder.path)
        #expect(try cursors.lastSeq(of: journal) == 0)
        try cursors.advance(journal, scanner: scanner, to: 10)
        try cursors.advance(journal, scanner: scanner, to: 7)
        #expect(try cursors.lastSeq(of: journal) == 10)
        try cursors.advance(journal, scanner: scanner, to: 11)
        let other = JournalID.random()
        try cursors.advance(other, scanner: scanner, to: 1)
        #expect(try cursors.all() == [journal: 11, other: 1])
    }

    @Test func cursorSurvivesRestartOfPublisher() throws {
        do { try UploadCursors(folder: folder.path).advance(journal, scanner: scanner, to: 10) }
        #expect(try UploadCursors.read(folder: folder.path) == [journal: 10])
        let cursors = try UploadCursors(folder: folder.path)
        #expect(try cursors.lastSeq(of: journal) == 10)
        try cursors.advance(journal, scanner: scanner, to: 12)
        #expect(try UploadCursors.read(folder: folder.path) == [journal: 12])
    }

    /// Sums with a cursor of a damaged file must not overflow.
    @Test func absurdCursorIsBounded() throws {
        do { try UploadCursors(folder: folder.path).advance(journal, scanner: scanner, to: 10) }
        for (last, bounded) in [(Int64.min, 0), (-1, 0), (.max, 0xffff_ffff)] as [(Int64, Int64)] {
            let database = try Database(folder.file("shipped.sqlite"), .readWrite)
            try database.persistWAL()
            try database.execute("UPDATE shipped SET last = \(last)")
            #expect(try UploadCursors.read(folder: folder.path) == [journal: bounded])
            #expect(try UploadCursors(folder: folder.path).lastSeq(of: journal) == bounded)
        }
    }

    @Test func missingFileReadsAsEmpty() throws {
        #expect(try UploadCursors.read(folder: folder.path).isEmpty)
        #expect(try UploadCursors.read(folder: folder.file("missing")).isEmpty)
        #expect(try Files.list(folder.path).isEmpty)
    }

    @Test func secondPublisherOnFolderIsRejected() throws {
        let cursors = try UploadCursors(folder: folder.path)
        let error = #expect(throws: FileLock.Held.self) { try UploadCursors(folder: folder.path) }
        #expect(error?.category == .configuration)
        try cursors.advance(journal, scanner: scanner, to: 1)
    }

    @Test func corruptFileIsRenamedAndReplaced() throws {
        do { try UploadCursors(folder: folder.path).advance(journal, scanner: scanner, to: 10) }
        try Files.writeAtomically([UInt8](repeating: 7, count: 8_192), to: folder.file("shipped.sqlite"))
        #expect(throws: DataFileError.self) { try UploadCursors.read(folder: folder.path) }
        let cursors = try UploadCursors(folder: folder.path)
        #expect(try cursors.lastSeq(of: journal) == 0)
        #expect(try Files.list(folder.path).contains { $0.hasPrefix("shipped.sqlite.damaged-") })
    }
}
