import FileSystem
import Glibc
import LinuxSystem
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import ErrorModel

struct FilesTests {
    let folder = TemporaryFolder()

    @Test func fileIsReplacedWithContentAndMode() throws {
        let path = folder.file("key")
        try Files.writeAtomically([1, 2, 3], to: path, mode: 0o600)
        #expect(try Files.read(path) == [1, 2, 3])
        #expect(Files.status(path)?.mode == 0o600)
        let before = Files.status(path)
        try Files.writeAtomically([], to: path, durable: false)
        #expect(try Files.read(path) == [])
        #expect(Files.status(path)?.mode == 0o644)
        #expect(Files.status(path)?.inode != before?.inode)
        #expect(try Files.list(folder.path) == ["key"])
    }

    @Test func textHasNoByteOrderMark() throws {
        let path = folder.file("settings")
        for (bytes, text) in [([0xEF, 0xBB, 0xBF, 0x41], "A"), ([0xEF, 0xBB, 0xBF], ""), ([0x41], "A")]
            as [([UInt8], String)]
        {
            try Files.writeAtomically(bytes, to: path)
            #expect(try Files.readText(path) == text)
            #expect(try Files.read(path) == bytes)
        }
    }

    @Test func writeInPiecesIsAtomic() throws {
        let path = folder.file("list")
        try Files.writeAtomically(to: path, mode: 0o600) { write in for byte in UInt8(1)...3 { try write([byte]) } }
        #expect(try Files.read(path) == [1, 2, 3])
        struct Cancelled: Error {}
        #expect(throws: Cancelled.self) {
            try Files.writeAtomically(to: path) { write in
                try write([9])
                throw Cancelled()
            }
        }
        #expect(try Files.read(path) == [1, 2, 3])
        #expect(try Files.list(folder.path) == ["list"])
    }

    @Test func failedWriteLeavesNoTemporaryFile() throws {
        try Files.makeFolder(folder.file("target/in"))
        // A file cannot replace a folder that is not empty.
        #expect(throws: SystemError.self) { try Files.writeAtomically([1], to: folder.file("target")) }
        #expect(try Files.list(folder.path) == ["target"])
        #expect(throws: SystemError.self) { try Files.writeAtomically([1], to: folder.file("none/file")) }
    }

    @Test func readersSeeOldOrNewContent() async throws {
        let path = folder.file("pointer")
        let length = 300_000
        try Files.writeAtomically([UInt8](repeating: 0, count: length), to: path)
        let over = StopSignal()
        let writer = NamedThread("writer") {
            defer { over.stop() }
            for number in 1...100 {
                try? Files.writeAtomically([UInt8](repeating: UInt8(number), count: length), to: path, durable: false)
            }
        }
        var torn = 0
        while !over.isStopped {
            let bytes = try Files.read(path)
            if bytes.count != length || bytes.first != bytes.last { torn += 1 }
        }
        await writer.end()
        #expect(torn == 0)
        #expect(try Files.read(path).first == 100)
    }

    @Test func readRejectsLargerFilesAndReportsErrors() throws {
        let path = folder.file("large")
        try Files.writeAtomically([UInt8](repeating: 7, count: 70_000), to: path)
        #expect(try Files.read(path, limit: 70_000).count == 70_000)
        let error = #expect(throws: SystemError.self) { try Files.read(path, limit: 69_999) }
        #expect(error?.code == EFBIG)
        #expect(#expect(throws: SystemError.self) { try Files.read(folder.file("none")) }?.code == ENOENT)
        #expect(#expect(throws: SystemError.self) { try Files.read(folder.path) }?.code == EISDIR)
    }

    @Test func folderIsDurableOrRemoved() async throws {
        await #expect(processExitsWith: .success) { [path = folder.file("a") as String] in
            // There is no descriptor left to sync the parent folder.
            var limit = rlimit(rlim_cur: 0, rlim_max: 0)
            guard setrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 else { exit(2) }
            do { try Files.makeFolder(path) } catch { exit(Files.exists(path) ? 3 : 0) }
            exit(4)
        }
    }

    @Test func foldersAreCreatedListedAndRemoved() throws {
        try Files.makeFolder(folder.file("x/y//"))
        #expect(Files.exists(folder.file("x/y")))
        try Files.makeFolder(folder.file("a/b/c"))
        try Files.makeFolder(folder.file("a/b/c"))
        try Files.writeAtomically([1], to: folder.file("a/b/z"))
        #expect(try Files.list(folder.file("a/b")) == ["c", "z"])
        #expect(throws: SystemError.self) { try Files.makeFolder(folder.file("a/b/z/d")) }
        #expect(["/x/y/z", "z", "/z"].allSatisfy { Files.name(of: $0) == "z" })
        #expect(Files.folder(of: "/x") == "/")
        #expect(Files.folder(of: "x") == ".")
        #expect(Files.folder(of: "/x/y/z") == "/x/y")
        #expect(Files.exists(folder.file("a/b/z")))
        try Files.remove(folder.file("a/b/z"))
        try Files.remove(folder.file("a/b/z"))
        #expect(!Files.exists(folder.file("a/b/z")))
        #expect(Files.status(folder.file("a/b/z")) == nil)
    }
}

struct FileLockTests {
    let folder = TemporaryFolder()

    @Test func lockHasOneHolder() throws {
        let path = folder.file("lock")
        var lock: FileLock? = try FileLock(path)
        let error = #expect(throws: FileLock.Held.self) { try FileLock(path) }
        #expect(error?.category == .configuration)
        #expect(lock != nil)
        lock = nil
        _ = try FileLock(path)
    }

    /// A second close would close a descriptor of another file.
    @Test func refusedLockClosesItsDescriptorOnce() async throws {
        await #expect(processExitsWith: .success) { [path = folder.file("lock") as String] in
            let lock = try FileLock(path)
            let lost = Atomic(false)
            let over = StopSignal()
            let opener = NamedThread("opener") {
                while !over.isStopped {
                    let file = open("/dev/null", O_RDONLY)
                    sched_yield()
                    if close(file) != 0 { lost.store(true, ordering: .relaxed) }
                }
            }
            // Each refusal takes 10 ms, because the lock is tried several times.
            for _ in 0..<500 { _ = try? FileLock(path) }
            over.stop()
            await opener.end()
            withExtendedLifetime(lock) {}
            exit(lost.load(ordering: .relaxed) ? 1 : 0)
        }
    }

    /// A starting child process has copies of its parent's descriptors until its exec.
    @Test func startingChildDoesNotKeepTheLock() async throws {
        await #expect(processExitsWith: .success) { [path = folder.file("lock") as String] in
            let over = StopSignal()
            let starter = NamedThread("starter") {
                var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
                while !over.isStopped {
                    var child: pid_t = 0
                    if posix_spawn(&child, "/bin/true", nil, nil, &arguments, nil) == 0 { waitpid(child, nil, 0) }
                }
            }
            var refused = 0
            for _ in 0..<20_000 { do { _ = try FileLock(path) } catch { refused += 1 } }
            over.stop()
            await starter.end()
            exit(refused == 0 ? 0 : 1)
        }
    }

    @Test func lockExcludesProcessesUntilTheHolderDies() async throws {
        let path = folder.file("lock")
        let lock = try FileLock(path)
        await #expect(processExitsWith: .exitCode(3)) { [path = path as String] in
            do { _ = try FileLock(path) } catch { exit(3) }
            exit(4)
        }
        withExtendedLifetime(lock) {}
        let other = folder.file("other")
        await #expect(processExitsWith: .signal(SIGKILL)) { [other = other as String] in
            let held = try FileLock(other)
            withExtendedLifetime(held) { _ = kill(getpid(), SIGKILL) }
        }
        _ = try FileLock(other)
    }
}
