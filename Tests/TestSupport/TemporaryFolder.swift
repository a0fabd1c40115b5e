import FileSystem
import Glibc

/// A folder for one test, removed with its content when the object is released.
///
/// `TAPLINE_TEST_KEEP=1` keeps the folders.
package final class TemporaryFolder: Sendable {
    /// The absolute path, without a slash at the end.
    package let path: String

    package init(_ name: String = "test") {
        var template = Array("\(Environment.value("TMPDIR") ?? "/tmp")/tapline-\(name)-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
        precondition(made, "mkdtemp: \(String(cString: strerror(errno)))")
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        if Environment.value("TAPLINE_TEST_KEEP") == nil { try? Files.removeFolder(path) }
    }

    /// The path of a file in the folder. Does not create the file.
    package func file(_ name: String) -> String { path + "/" + name }

    /// The path of a folder in the folder, which is created if it is missing.
    package func folder(_ name: String) throws -> String {
        try Files.makeFolder(file(name))
        return file(name)
    }

    /// Removes a file, a link, or a folder with its content, if it exists.
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
    /// The value of a variable; `nil` if it is not set or empty.
    package static func value(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
