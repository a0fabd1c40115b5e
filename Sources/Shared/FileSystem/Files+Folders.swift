import Glibc
import LinuxSystem

/// Paths and folders.
extension Files {
    /// Returns the absolute path without symbolic links; the given path if the file does not exist.
    package static func canonicalPath(_ path: String) -> String {
        guard let text = realpath(path, nil) else { return path }
        defer { free(text) }
        return String(cString: text)
    }

    /// Returns the last component of a path.
    package static func name(of path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

    /// Returns the folder of a path; `.` for a path without a slash.
    package static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Syncs the folder of a path.
    ///
    /// - Throws: `SystemError`.
    package static func syncFolder(of path: String) throws { try sync(folder(of: path)) }

    /// Creates a folder and its missing parents durably. An existing folder is not an error.
    ///
    /// - Parameters:
    ///   - path: path of the folder.
    ///   - mode: permissions of new folders.
    /// - Throws: `SystemError`.
    package static func makeFolder(_ path: String, mode: UInt32 = 0o755) throws {
        // `folder(of: "a/")` is "a".
        if path.count > 1, path.hasSuffix("/") { return try makeFolder(String(path.dropLast()), mode: mode) }
        if try makeOneFolder(path, mode) { return }
        guard folder(of: path) != path else { throw SystemError("mkdir \(path)", code: ENOENT) }
        try makeFolder(folder(of: path), mode: mode)
        guard try makeOneFolder(path, mode) else { throw SystemError("mkdir \(path)", code: ENOENT) }
    }

    /// Creates a folder durably. Returns `false` if its parent is missing.
    private static func makeOneFolder(_ path: String, _ mode: UInt32) throws -> Bool {
        guard mkdir(path, mode) == 0 else {
            if errno == EEXIST { return true }
            if errno == ENOENT { return false }
            throw SystemError("mkdir \(path)")
        }
        do { try syncFolder(of: path) } catch {
            // A second call would find the folder and consider it durable.
            rmdir(path)
            throw error
        }
        return true
    }

    /// Creates a new private folder (mode 0700) in TMPDIR or /tmp.
    ///
    /// - Parameter prefix: beginning of its name.
    /// - Returns: the path.
    /// - Throws: `SystemError`.
    package static func makeTemporaryFolder(_ prefix: String) throws -> String {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var name = Array("\(base)/\(prefix)-XXXXXX".utf8CString)
        let made = name.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
        guard made else { throw SystemError("create a temporary folder in \(base)") }
        return String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes a folder with its contents. Links are removed and not followed. A missing folder is not an error.
    ///
    /// - Throws: `SystemError`.
    package static func removeFolder(_ path: String) throws {
        var info = stat()
        guard lstat(path, &info) == 0 else {
            guard errno == ENOENT else { throw SystemError("remove \(path)") }
            return
        }
        guard info.st_mode & S_IFMT == S_IFDIR else { return try remove(path) }
        for name in try list(path) { try removeFolder(path + "/" + name) }
        guard rmdir(path) == 0 || errno == ENOENT else { throw SystemError("remove \(path)") }
    }

    /// Returns the names in a folder, sorted, without `.` and `..`.
    ///
    /// - Throws: `SystemError`.
    package static func list(_ folder: String) throws -> [String] {
        guard let stream = opendir(folder) else { throw SystemError("open folder \(folder)") }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
