public import Runtime

/// The snapshots of a scanner: `DIR/snapshots`.
public struct SnapshotStore: Sendable {
    public let folder: String

    /// - Parameter folder: made by the first install; may be missing until then.
    public init(folder: String) { self.folder = folder }

    /// Holds the name of the file in force, one line.
    var pointer: String { folder + "/current" }

    /// The path of the snapshot in force; nil while there is none.
    public func current() -> String? {
        guard let text = try? Files.readText(pointer, limit: 4_096) else { return nil }
        let name = text.prefix { $0 != "\n" }
        guard SnapshotFileName.version(of: name) != nil else { return nil }
        return folder + "/" + name
    }

    /// The version of the snapshot in force, by its name; nil while there is none.
    public func currentVersion() -> Int64? {
        current().flatMap { SnapshotFileName.version(of: $0.split(separator: "/").last ?? "") }
    }

    /// Paths of the snapshots that were in force before and are still here, newest first. Only what was verified whole ever
    /// gets such a name.
    func others() -> [String] {
        let names = (try? Files.list(folder)) ?? []
        let present = currentVersion()
        return names.compactMap { SnapshotFileName.version(of: $0) }.filter { $0 != present }.sorted(by: >)
            .map { folder + "/" + SnapshotFileName.of($0) }
    }

    /// Changes when another snapshot comes into force; cheap enough to be asked twice a second.
    public func mark() -> Files.Status? { Files.status(pointer) }
}

/// `snapshot-<version>.sqlite`.
public enum SnapshotFileName {
    public static func of(_ version: Int64) -> String { "snapshot-\(version).sqlite" }

    /// Nil for anything that is not exactly such a name: it may come from outside and becomes part of a path.
    public static func version(of name: some StringProtocol) -> Int64? {
        guard name.hasPrefix("snapshot-"), name.hasSuffix(".sqlite"),
            let version = Int64(name.dropFirst(9).dropLast(7)), version > 0, name == of(version)
        else { return nil }
        return version
    }
}
