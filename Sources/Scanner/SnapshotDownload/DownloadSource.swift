/// A place that publishes snapshots: the center or a mirror.
struct DownloadSource {
    /// A manifest and its signature, as received.
    struct SignedManifest {
        var manifest: [UInt8]
        var signature: [UInt8]
        /// The manifest's ETag; `nil` from a server that sends none.
        var etag: String?
    }

    let baseURL: String
    /// The last accepted manifest. Its ETag lets the source answer "not modified".
    var accepted: SignedManifest?

    /// - Parameter url: the base URL; slashes at its end are ignored.
    init(_ url: String) {
        var base = url[...]
        while base.last == "/" { base.removeLast() }
        baseURL = String(base)
    }

    /// The URL of a published file.
    func url(_ name: String) -> String { baseURL + "/snapshot/" + name }
}
