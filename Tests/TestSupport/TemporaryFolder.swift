import FileSystem
import Glibc

/// A folder of one test, removed with all it holds when the object goes.
///
/// Set `TAPLINE_TEST_KEEP=1` to keep the folders and look into them.
package final class TemporaryFolder: Sendable {
    /// Absolute, without a slash at the end.
    package let path: String

    package init(_ name: String = "test") {
        var template = Array("\(Environment.value("TMPDIR") ?? "/tmp")/tapline-\(name)-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
        precondition(made, "mkdtemp: \(String(cString: strerror(errno)))")
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        if Environment.value("TAPLINE_TEST_KEEP") == nil { TemporaryFolder.remove(path) }
    }

    /// The path of a file in it; nothing is made.
    package func file(_ name: String) -> String { path + "/" + name }

    /// The path of a folder in it, made if missing.
    package func folder(_ name: String) throws -> String {
        try Files.makeFolder(file(name))
        return file(name)
    }

    /// Removes a file, a link, or a folder with all it holds; what is not there is fine.
    package static func remove(_ path: String) {
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

/// The environment of the test run.
package enum Environment {
    /// Nil also for an empty value.
    package static func value(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
