import Glibc
import Runtime

/// A folder of one test, removed with all it holds when the object goes.
public final class TemporaryFolder: Sendable {
    public let path: String

    public init() {
        var name = Array("/tmp/tapline-test-XXXXXX".utf8CString)
        let made = name.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
        precondition(made, "mkdtemp: \(String(cString: strerror(errno)))")
        path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { TemporaryFolder.remove(path) }

    /// The path of a file in it.
    public func file(_ name: String) -> String { path + "/" + name }

    private static func remove(_ path: String) {
        var info = stat()
        guard lstat(path, &info) == 0 else { return }
        if info.st_mode & S_IFMT == S_IFDIR {
            for name in (try? Files.list(path)) ?? [] { remove(path + "/" + name) }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}
