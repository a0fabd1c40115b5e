/// How far an export is; its description is for people.
package enum ExportProgress: Sendable, Equatable, CustomStringConvertible {
    /// So many tags were read from the database, of so many bytes.
    case reading(tags: Int64, bytes: Int64)
    /// All are read; the finished file of so many bytes is verified and compressed.
    case verifying(tags: Int64, bytes: Int64)

    package var description: String {
        switch self {
        case .reading(let tags, let bytes): "reading: \(tags) tags, \(bytes) bytes"
        case .verifying(let tags, let bytes): "verifying and compressing: \(tags) tags, \(bytes) bytes"
        }
    }
}
