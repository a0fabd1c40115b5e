import Journal
import Runtime
import SQLite
import Scans
import Support
import Testing

@Suite struct ShippedTests {
    private let folder = TemporaryFolder("shipped")
    private let log = JournalID.random()

    @Test func theCursorNeverMovesBack() throws {
        let shipped = try Shipped(folder: folder.path)
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
        do { try Shipped(folder: folder.path).advance(log, scanner: scanner, to: 10) }
        #expect(try Shipped.read(folder: folder.path) == [log: 10])
        let shipped = try Shipped(folder: folder.path)
        #expect(try shipped.lastSeq(of: log) == 10)
        try shipped.advance(log, scanner: scanner, to: 12)
        #expect(try Shipped.read(folder: folder.path) == [log: 12])
    }

    @Test func withoutAPublisherNothingIsShipped() throws {
        #expect(try Shipped.read(folder: folder.path).isEmpty)
        #expect(try Shipped.read(folder: folder.file("missing")).isEmpty)
        #expect(try Files.list(folder.path).isEmpty)
    }

    @Test func onePublisherAtATime() throws {
        let shipped = try Shipped(folder: folder.path)
        let error = #expect(throws: ProgramError.self) { try Shipped(folder: folder.path) }
        #expect(error?.code == .configuration)
        try shipped.advance(log, scanner: scanner, to: 1)
    }

    @Test func aDamagedCursorIsSetAside() throws {
        do { try Shipped(folder: folder.path).advance(log, scanner: scanner, to: 10) }
        try Files.writeAtomically([UInt8](repeating: 7, count: 8_192), to: folder.file("shipped.sqlite"))
        #expect(throws: JournalError.self) { try Shipped.read(folder: folder.path) }
        let shipped = try Shipped(folder: folder.path)
        #expect(try shipped.lastSeq(of: log) == 0)
        #expect(try Files.list(folder.path).contains { $0.hasPrefix("shipped.sqlite.damaged-") })
    }
}
