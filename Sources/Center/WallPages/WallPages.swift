/// The files of the wall.
package enum WallPages {
    /// Content type and bytes of each file, by its path.
    package static let all: [String: (contentType: String, bytes: [UInt8])] = [
        "/": ("text/html; charset=utf-8", PackageResources.wall_html)
    ]
}
