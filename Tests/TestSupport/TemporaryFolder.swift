import FileSystem
import Glibc

/// A folder of one test, removed with its contents when the object is released.
///
/// Set `TAPLINE_TEST_KEEP=1` to keep the folders for inspection.
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
        if Environment.value("TAPLINE_TEST_KEEP") == nil { try? Files.removeFolder(path) }
    }

    /// Returns the path of a file in the folder, without creating it.
    package func file(_ name: String) -> String { path + "/" + name }

    /// Creates a folder in the folder, if it is missing, and returns its path.
    package func folder(_ name: String) throws -> String {
        try Files.makeFolder(file(name))
        return file(name)
    }
}

/// The environment of the test run.
package enum Environment {
    /// Returns a variable; `nil` if it is not set or empty.
    package static func value(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
