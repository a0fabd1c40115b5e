import FileSystem
import Glibc
import LinuxSystem
import TestSupport
import Testing

/// Tests files in folders that another party has written.
struct ForeignFileTests {
    private let folder = TemporaryFolder("foreign")

    private func error(_ body: () throws -> Void) throws -> SystemError {
        do { try body() } catch let error as SystemError { return error }
        throw TestFailure("no error")
    }

    @Test func regularFileIsReadAndCopied() throws {
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        try Files.writeAtomically(bytes, to: folder.file("list"))
        let file = try ForeignFile("list", in: folder.path)
        #expect(file.size == bytes.count && file.path == folder.file("list"))
        #expect(try file.read() == bytes)
        try file.copy(to: folder.file("copy"), leaving: 1 << 20)
        #expect(try Files.read(folder.file("copy")) == bytes)
        #expect(try ForeignFile(folder.file("copy")).copyReadable(to: folder.file("again"), leaving: 0))
        #expect(try Files.read(folder.file("again")) == bytes)
        try Files.writeAtomically([], to: folder.file("empty"))
        #expect(try ForeignFile(folder.file("empty")).read() == [])
    }

    @Test(.timeLimit(.minutes(1)), arguments: HostileFile.allCases)
    func otherKindsAreNeverOpened(_ kind: HostileFile) throws {
        let path = folder.file("file")
        try kind.make(path)
        let refused = try error { _ = try ForeignFile("file", in: folder.path) }
        #expect(refused.code == EINVAL && refused.description.contains("not a regular file"), "\(refused)")
        #expect(throws: refused) { try ForeignFile(path) }
    }

    @Test func nameStaysInTheFolder() throws {
        try Files.writeAtomically([1], to: folder.file("host"))
        let inner = try folder.folder("stick")
        for name in ["../host", "", ".", "..", "a/b", "/etc/hostname", "host\0"] {
            #expect(try error { _ = try ForeignFile(name, in: inner) }.code == EINVAL, "\(name)")
        }
        #expect(try error { _ = try ForeignFile("none", in: inner) }.code == ENOENT)
        #expect(try error { _ = try ForeignFile("none", in: folder.file("none")) }.code == ENOENT)
        #expect(try error { _ = try ForeignFile("none", in: folder.file("host")) }.code == ENOTDIR)
        // The operator names the folder, which may be a link such as a mount point.
        try Files.writeAtomically([2], to: inner + "/file")
        #expect(symlink(inner, folder.file("link")) == 0)
        #expect(try ForeignFile("file", in: folder.file("link")).read() == [2])
    }

    @Test func sparseFileIsRefusedBeforeItIsRead() throws {
        let path = folder.file("huge")
        try HostileFile.makeSparse(path)
        let file = try ForeignFile(path)
        #expect(file.size == 100 << 30)
        #expect(try error { _ = try file.read(limit: 1 << 20) }.code == EFBIG)
        // More than any disk has free.
        let reserve = Int64.max - (1 << 30)
        let copies: [(String) throws -> Void] = [
            { try file.copy(to: $0, leaving: reserve) }, { _ = try file.copyReadable(to: $0, leaving: reserve) },
        ]
        for copy in copies {
            let full = try error { try copy(folder.file("copy")) }
            #expect(full.isFull && full.description.contains("a reserve of \(reserve)"), "\(full)")
        }
        #expect(try Files.list(folder.path) == ["huge"])
    }

    @Test func failedCopyLeavesNothing() throws {
        let path = folder.file("list")
        try Files.writeAtomically([UInt8](repeating: 1, count: 300_000), to: path)
        let file = try ForeignFile(path)
        #expect(truncate(path, 100_000) == 0)
        #expect(try error { try file.copy(to: folder.file("copy"), leaving: 0) }.code == EIO)
        #expect(try Files.list(folder.path) == ["list"])
    }

    @Test func grownFileIsReadToItsFirstSize() throws {
        let path = folder.file("list")
        try Files.writeAtomically([1, 2, 3], to: path)
        let file = try ForeignFile(path)
        let more = open(path, O_WRONLY | O_APPEND)
        defer { close(more) }
        #expect(write(more, "xyz", 3) == 3)
        #expect(try file.read() == [1, 2, 3])
    }

    /// A stick may hold links under the names that a program writes.
    @Test func writesReplaceLinksInsteadOfFollowingThem() throws {
        let host = folder.file("host")
        let stick = try folder.folder("stick")
        for (name, write) in [
            ("copied", { try Files.copy(folder.file("new"), to: $0) }),
            ("readable", { _ = try Files.copyReadable(folder.file("new"), to: $0) }),
            ("foreign", { try ForeignFile(folder.file("new")).copy(to: $0, leaving: 0) }),
            ("written", { try Files.writeAtomically([7], to: $0) }),
        ] as [(String, (String) throws -> Void)] {
            try Files.writeAtomically([1], to: host)
            try Files.writeAtomically([7], to: folder.file("new"))
            let path = stick + "/" + name
            #expect(symlink(host, path) == 0)
            #expect(symlink(host, path + ".tmp-\(getpid())") == 0)
            try write(path)
            #expect(try Files.read(host) == [1], "\(name)")
            #expect(try Files.read(path) == [7], "\(name)")
        }
    }
}
