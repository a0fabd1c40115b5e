import FileSystem
import Glibc
import SQLite
import TestSupport
import Testing

/// A second process reads a journal in each state that its writer can leave, and writes nothing.
struct ReadOnlyTests {
    let folder = TemporaryFolder()
    private var path: String { folder.file("journal.sqlite") }

    private static func writer(_ path: String) throws -> Database {
        let database = try Database(path, .create)
        try database.persistWAL()
        try database.execute(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY)"
        )
        return database
    }

    private func count() throws -> Int64? { try Database(path, .readOnly).int("SELECT count(*) FROM t") }

    /// Returns the contents of all files, to prove that a reader wrote nothing.
    private func contents() throws -> [String: [UInt8]] {
        var result: [String: [UInt8]] = [:]
        for name in try Files.list(folder.path) where !name.hasSuffix("-shm") {
            result[name] = try Files.read(folder.file(name))
        }
        return result
    }

    @Test func openFailsBeforeTheFirstWriter() throws {
        let error = #expect(throws: SQLiteError.self) { _ = try count() }
        #expect(error?.isCannotOpen == true)
        #expect(try Files.list(folder.path).isEmpty)
    }

    @Test func readerSeesCommitsOfARunningWriter() throws {
        let writer = try ReadOnlyTests.writer(path)
        #expect(try count() == 0)
        let reader = try Database(path, .readOnly)
        for number in 1...50 {
            try writer.execute("INSERT INTO t VALUES (\(number))")
            #expect(try reader.int("SELECT count(*) FROM t") == Int64(number))
        }
        try writer.execute("BEGIN; INSERT INTO t VALUES (51)")
        #expect(try reader.int("SELECT count(*) FROM t") == 50)
        try writer.execute("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
        #expect(try reader.int("SELECT count(*) FROM t") == 51)
        let error = #expect(throws: SQLiteError.self) { try reader.execute("DELETE FROM t") }
        #expect(error?.primary == 8)
    }

    @Test func readerOpensAfterWriterClosed() throws {
        do {
            let writer = try ReadOnlyTests.writer(path)
            try writer.execute("INSERT INTO t VALUES (1), (2)")
        }
        let before = try contents()
        #expect(before.keys.contains("journal.sqlite-wal"))
        #expect(try count() == 2)
        #expect(try contents() == before)
    }

    /// In another process, because within one SQLite shares the read-only index with the writer, which then cannot
    /// write.
    @Test func writerReopensBesideAReader() async throws {
        do {
            let writer = try ReadOnlyTests.writer(path)
            try writer.execute("INSERT INTO t VALUES (1), (2)")
        }
        let reader = try Database(path, .readOnly)
        #expect(try reader.int("SELECT count(*) FROM t") == 2)
        for expected in 3...5 as ClosedRange<Int64> {
            await #expect(processExitsWith: .success) { [path = path as String] in
                try ReadOnlyTests.writer(path).execute("INSERT INTO t (a) VALUES (NULL)")
            }
            #expect(try reader.int("SELECT count(*) FROM t") == expected)
        }
    }

    @Test func readerOpensAfterWriterWasKilled() async throws {
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let writer = try ReadOnlyTests.writer(path)
            for number in 1...20 { try writer.execute("INSERT INTO t VALUES (\(number))") }
            try writer.execute("BEGIN; INSERT INTO t VALUES (21)")
            kill(getpid(), SIGKILL)
        }
        let before = try contents()
        #expect(try count() == 20)
        #expect(try contents() == before)
        // The next writer reads the same rows.
        #expect(try ReadOnlyTests.writer(path).int("SELECT count(*) FROM t") == 20)
    }

    /// A power cut can leave any -shm file. SQLite ignores its content without a running writer.
    @Test(arguments: [0, 32_768]) func readerOpensAfterAPowerCut(bytesOfIndex: Int) async throws {
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let writer = try ReadOnlyTests.writer(path)
            for number in 1...20 { try writer.execute("INSERT INTO t VALUES (\(number))") }
            kill(getpid(), SIGKILL)
        }
        try Files.writeAtomically([UInt8](repeating: 0xa5, count: bytesOfIndex), to: path + "-shm")
        #expect(try count() == 20)
        #expect(try Files.read(path + "-shm") == [UInt8](repeating: 0xa5, count: bytesOfIndex))
        #expect(try ReadOnlyTests.writer(path).int("SELECT count(*) FROM t") == 20)
        #expect(try count() == 20)
    }

    /// A reader cannot open a WAL database without its -shm file, which the writer creates at its next start.
    @Test func openFailsWithoutTheIndex() throws {
        do {
            let writer = try ReadOnlyTests.writer(path)
            try writer.execute("INSERT INTO t VALUES (1)")
        }
        try Files.remove(path + "-shm")
        let error = #expect(throws: SQLiteError.self) { _ = try count() }
        #expect(error?.isCannotOpen == true)
        #expect(!Files.exists(path + "-shm"))
        let writer = try ReadOnlyTests.writer(path)
        #expect(try writer.int("SELECT count(*) FROM t") == 1)
        #expect(try count() == 1)
    }
}
