/// Where the files are: the center or a mirror, and what it offered last.
struct DownloadSource {
    /// A manifest and its signature, as they came.
    struct Known {
        var manifest: [UInt8]
        var signature: [UInt8]
        /// Of the manifest; nil from a server that gives none.
        var etag: String?
    }

    let baseURL: String
    /// What was good of it, to be told that nothing has changed.
    var known: Known?

    init(_ url: String) {
        var base = url[...]
        while base.last == "/" { base.removeLast() }
        baseURL = String(base)
    }

    func url(_ name: String) -> String { baseURL + "/snapshot/" + name }
}
