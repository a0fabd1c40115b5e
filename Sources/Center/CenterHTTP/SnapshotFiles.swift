import HTTPServer

/// The snapshot files below `/snapshot/`.
struct SnapshotFiles: Sendable {
    private static let prefix = "/snapshot/"

    /// Folder of the files; `nil` if none are served.
    let folder: String?

    /// Returns whether a path is that of a snapshot file, existing or not.
    func covers(_ path: String) -> Bool { folder != nil && path.hasPrefix(SnapshotFiles.prefix) }

    /// Returns the response for a path; `nil` if there is no such file.
    func response(_ path: String) -> HTTPResponse? {
        guard let folder, covers(path) else { return nil }
        let name = String(path.dropFirst(SnapshotFiles.prefix.count))
        guard let type = SnapshotName.contentType(of: name) else { return nil }
        let opened: HTTPFile?
        do {
            opened = try HTTPFile(path: folder + "/" + name)
        } catch {
            // Not 404: a scanner would take it as permanent.
            return .text("503: the file cannot be read\n", status: 503)
        }
        guard let file = opened else { return nil }
        // A version's file never changes. The manifest is revalidated for each request. `private`: a shared cache would
        // serve the files without a token.
        let caching = name.hasPrefix("manifest") ? "no-cache" : "private, max-age=86400, immutable"
        return HTTPResponse(contentType: type, body: .file(file), headers: [("Cache-Control", caching)])
    }
}

/// The names in the snapshot folder that clients may read: no temporary file, no key, nothing outside of the folder.
enum SnapshotName {
    private static let suffixes = [
        ".sqlite": "application/vnd.sqlite3", ".sqlite.gz": "application/gzip",
        ".changeset": "application/octet-stream", ".changeset.gz": "application/gzip",
    ]

    /// Returns the content type of a file; `nil` if clients may not read it.
    static func contentType(of name: String) -> String? {
        if name == "manifest.json" { return "application/json" }
        if name == "manifest.json.minisig" { return "text/plain; charset=utf-8" }
        guard let prefix = ["snapshot-", "delta-"].first(where: name.hasPrefix) else { return nil }
        let rest = name.dropFirst(prefix.count)
        let numbers = rest.prefix { $0.isASCII && ($0.isNumber || $0 == "-") }
        guard !numbers.isEmpty else { return nil }
        return suffixes[String(rest.dropFirst(numbers.count))]
    }
}
