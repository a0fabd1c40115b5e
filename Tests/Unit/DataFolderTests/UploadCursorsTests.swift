import CLI
import DataFolder
import FileSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@Suite struct ShippedTests {
    private let folder = TemporaryFolder("shipped")
    private let scanner = ScannerID("gate-7")!
    private let log = JournalID.random()

    @Test func theCursorNeverMovesBack() throws {
        let shipped = try UploadCursors(folder: folder.path)
        #expect(try shipped.lastSeq(of: log) == 0)
        try shipped.advance(log, scanner: scanner, to: 10)
        try shipped.advance(log, scanner: scanner, to: 7)
        #expect(try shipped.lastSeq(of: log) == 10)
        try shipped.advance(log, scanner: scanner, to: 11)
        let other = JournalID.random()
        try shipped.advance(other, scanner: scanner, to: 1)
        #expect(try shipped.all() == [log: 11, other: 1])
    }

    @Test func theCursorOutlivesItsPublisher() throws {
        do { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 10) }
        #expect(try UploadCursors.read(folder: folder.path) == [log: 10])
        let shipped = try UploadCursors(folder: folder.path)
        #expect(try shipped.lastSeq(of: log) == 10)
        try shipped.advance(log, scanner: scanner, to: 12)
        #expect(try UploadCursors.read(folder: folder.path) == [log: 12])
    }

    @Test func withoutAPublisherNothingIsShipped() throws {
        #expect(try UploadCursors.read(folder: folder.path).isEmpty)
        #expect(try UploadCursors.read(folder: folder.file("missing")).isEmpty)
        #expect(try Files.list(folder.path).isEmpty)
    }

    @Test func onePublisherAtATime() throws {
        let shipped = try UploadCursors(folder: folder.path)
        let error = #expect(throws: ProgramError.self) { try UploadCursors(folder: folder.path) }
        #expect(error?.code == .configuration)
        try shipped.advance(log, scanner: scanner, to: 1)
    }

    @Test func aDamagedCursorIsSetAside() throws {
        do { try UploadCursors(folder: folder.path).advance(log, scanner: scanner, to: 10) }
        try Files.writeAtomically([UInt8](repeating: 7, count: 8_192), to: folder.file("shipped.sqlite"))
        #expect(throws: DataFileError.self) { try UploadCursors.read(folder: folder.path) }
        let shipped = try UploadCursors(folder: folder.path)
        #expect(try shipped.lastSeq(of: log) == 0)
        #expect(try Files.list(folder.path).contains { $0.hasPrefix("shipped.sqlite.damaged-") })
    }
}
