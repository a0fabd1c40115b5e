import FileSystem
import ScanModel

/// File names of snapshots: `snapshot-<version>.sqlite`, on a scanner also `snapshot-<version>b.sqlite`.
///
/// The second name is for a file that replaces a damaged one of the same version. It cannot reuse the first name,
/// because a gate may have that file open.
package enum SnapshotFileName {
    /// Returns the first name of a version.
    package static func of(_ version: Int64) -> String { "snapshot-\(version).sqlite" }

    /// Returns the second name of a version.
    package static func second(_ version: Int64) -> String { "snapshot-\(version)b.sqlite" }

    /// Returns the version in a file name.
    ///
    /// - Returns: `nil` for anything that is not exactly such a name: a name from outside becomes part of a path.
    package static func version(of name: some StringProtocol) -> Int64? {
        guard name.hasPrefix("snapshot-"), name.hasSuffix(".sqlite") else { return nil }
        let number = name.dropFirst(9).dropLast(7)
        guard let version = Int64(number.last == "b" ? number.dropLast() : number), (1..<Bounds.uint).contains(version),
            name == of(version) || name == second(version)
        else { return nil }
        return version
    }

    /// Returns the name of the installed snapshot in a scanner's snapshot folder: the line of its file `current`.
    ///
    /// - Returns: `nil` if there is no such file, or it holds no snapshot name.
    package static func current(in folder: String) -> String? {
        guard let bytes = try? ForeignFile("current", in: folder).read(limit: 4_096) else { return nil }
        let name = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        return version(of: name) == nil ? nil : name
    }
}
