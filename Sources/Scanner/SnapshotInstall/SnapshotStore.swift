public import Runtime

/// The snapshots of a scanner: `DIR/snapshots`.
public struct SnapshotStore: Sendable {
    public let folder: String

    /// - Parameter folder: made by the first install; may be missing until then.
    public init(folder: String) { self.folder = folder }

    /// Holds the name of the file in force, one line.
    var pointer: String { folder + "/current" }

    /// The name of the file in force; nil while there is none.
    var currentName: String? {
        guard let text = try? Files.readText(pointer, limit: 4_096) else { return nil }
        let name = String(text.prefix { $0 != "\n" })
        return SnapshotFileName.version(of: name) == nil ? nil : name
    }

    /// The path of the snapshot in force; nil while there is none.
    public func current() -> String? { currentName.map { folder + "/" + $0 } }

    /// The version of the snapshot in force, by its name; nil while there is none.
    public func currentVersion() -> Int64? { currentName.flatMap { SnapshotFileName.version(of: $0) } }

    /// Paths of the snapshots that were in force before and are still here, newest first. Only what was verified whole ever
    /// gets such a name.
    func others() -> [String] {
        let present = currentName
        let named = ((try? Files.list(folder)) ?? []).compactMap { name in
            SnapshotFileName.version(of: name).map { (version: $0, name: name) }
        }
        return named.filter { $0.name != present }.sorted { $0.version > $1.version }.map { folder + "/" + $0.name }
    }

    /// A name for the file of `version` that no gate has open: of the two that a version may have, the one which is not
    /// there, or else the one not in force.
    func freeName(for version: Int64) -> String {
        let names = [SnapshotFileName.of(version), SnapshotFileName.second(version)]
        return names.first { !Files.exists(folder + "/" + $0) } ?? names.first { $0 != currentName } ?? names[0]
    }

    /// Changes when another snapshot comes into force; cheap enough to be asked twice a second.
    public func mark() -> Files.Status? { Files.status(pointer) }
}

/// `snapshot-<version>.sqlite`; on a scanner also `snapshot-<version>b.sqlite`: a file that mends a damaged one of the same
/// version cannot take its name, for a gate may have that open.
public enum SnapshotFileName {
    public static func of(_ version: Int64) -> String { "snapshot-\(version).sqlite" }

    static func second(_ version: Int64) -> String { "snapshot-\(version)b.sqlite" }

    /// Nil for anything that is not exactly such a name: it may come from outside and becomes part of a path.
    public static func version(of name: some StringProtocol) -> Int64? {
        guard name.hasPrefix("snapshot-"), name.hasSuffix(".sqlite") else { return nil }
        let number = name.dropFirst(9).dropLast(7)
        guard let version = Int64(number.last == "b" ? number.dropLast() : number), version > 0,
            name == of(version) || name == second(version)
        else { return nil }
        return version
    }
}
