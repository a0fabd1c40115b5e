/// A numbered step of the schema, as it stands in a file of this folder.
public struct Migration: Sendable {
    public let version: Int
    /// As in its file name, and as it writes into `tapline.schema_migrations`.
    public let name: String
    public let sql: [UInt8]

    public init(version: Int, name: String, sql: [UInt8]) {
        (self.version, self.name, self.sql) = (version, name, sql)
    }

    public var fileName: String { String(repeating: "0", count: 4 - "\(version)".count) + "\(version)_\(name).sql" }

    /// All of them, in order. A new file has its line here and in Package.swift; a published one never changes.
    ///
    /// Each file stays under 10 kB: larger ones are slow to compile when embedded.
    public static let all = [
        Migration(version: 1, name: "registry", sql: PackageResources._001_registry_sql),
        Migration(version: 2, name: "scans", sql: PackageResources._002_scans_sql),
        Migration(version: 3, name: "presence", sql: PackageResources._003_presence_sql),
        Migration(version: 4, name: "live_views", sql: PackageResources._004_live_views_sql),
        Migration(version: 5, name: "track_views", sql: PackageResources._005_track_views_sql),
        Migration(version: 6, name: "growth", sql: PackageResources._006_growth_sql),
        Migration(version: 7, name: "tracking", sql: PackageResources._007_tracking_sql),
        Migration(version: 8, name: "rebuild", sql: PackageResources._008_rebuild_sql),
        Migration(version: 9, name: "double_admissions", sql: PackageResources._009_double_admissions_sql),
        Migration(version: 10, name: "live_double_admissions", sql: PackageResources._010_live_double_admissions_sql),
        Migration(version: 11, name: "registry_changes", sql: PackageResources._011_registry_changes_sql),
    ]
}
