import DataFolder
import FileSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@Suite struct UploadCursorsTests {
    private let folder = TemporaryFolder("shipped")
    private let scanner = ScannerID("gate-7")!
    private let log = JournalID.random()

    @Test func cursorNeverMovesBack() throws {
        let cursors = try UploadCursors(folder: folder.path)
        #expect(try cursors.lastSeq(of: log) == 0)
        try cursors.advance(log, scanner: scanner, to: 10)
        try cursors.advance(log, scanner: scanner, to: 7)
        #expect(try cursors.lastSeq(of: log) == 10)
        try cursors.advance(log, scanner: scanner, to: 11)
        let other = JournalID.random()
        try cursors.advance(other, scanner: scanner, to: 1)
        #expect(try cursors.all() == [log: 11, other: 1])
    }

    @Test func cursorSurvivesRestart() throws {
        do { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 10) }
        #expect(try UploadCursors.read(folder: folder.path) == [log: 10])
        let cursors = try UploadCursors(folder: folder.path)
        #expect(try cursors.lastSeq(of: log) == 10)
        try cursors.advance(log, scanner: scanner, to: 12)
        #expect(try UploadCursors.read(folder: folder.path) == [log: 12])
    }

    @Test func cursorsAreEmptyWithoutAFile() throws {
        #expect(try UploadCursors.read(folder: folder.path).isEmpty)
        #expect(try UploadCursors.read(folder: folder.file("missing")).isEmpty)
        #expect(try Files.list(folder.path).isEmpty)
    }

    @Test func secondPublisherIsRejected() throws {
        let cursors = try UploadCursors(folder: folder.path)
        #expect(throws: FileLock.Held.self) { try UploadCursors(folder: folder.path) }
        try cursors.advance(log, scanner: scanner, to: 1)
    }

    @Test func damagedFileIsQuarantined() throws {
        do { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 10) }
        try Files.writeAtomically([UInt8](repeating: 7, count: 8_192), to: folder.file("shipped.sqlite"))
        #expect(throws: DataFileError.self) { try UploadCursors.read(folder: folder.path) }
        let cursors = try UploadCursors(folder: folder.path)
        #expect(try cursors.lastSeq(of: log) == 0)
        #expect(try Files.list(folder.path).contains { $0.hasPrefix("shipped.sqlite.damaged-") })
    }
}
