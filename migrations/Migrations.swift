/// A numbered step of the schema: one SQL file of this folder.
package struct Migration: Sendable {
    package let version: Int
    /// Name as in the file name. The file inserts it into `tapline.schema_migrations`.
    package let name: String
    package let sql: [UInt8]

    package init(version: Int, name: String, sql: [UInt8]) {
        self.version = version
        self.name = name
        self.sql = sql
    }

    package var fileName: String { String(repeating: "0", count: 4 - "\(version)".count) + "\(version)_\(name).sql" }

    /// All migrations in order.
    ///
    /// List a new file here and in Package.swift. Never change a file after its release. Each file stays under 10 kB:
    /// larger ones are slow to compile when embedded.
    package static let all = [
        Migration(version: 1, name: "foundation", sql: PackageResources._001_foundation_sql),
        Migration(version: 2, name: "registry", sql: PackageResources._002_registry_sql),
        Migration(version: 3, name: "scans", sql: PackageResources._003_scans_sql),
        Migration(version: 4, name: "ingest", sql: PackageResources._004_ingest_sql),
        Migration(version: 5, name: "tracking", sql: PackageResources._005_tracking_sql),
        Migration(version: 6, name: "double_admissions", sql: PackageResources._006_double_admissions_sql),
        Migration(version: 7, name: "verification", sql: PackageResources._007_verification_sql),
        Migration(version: 8, name: "lane_health", sql: PackageResources._008_lane_health_sql),
        Migration(version: 9, name: "live_views", sql: PackageResources._009_live_views_sql),
        Migration(version: 10, name: "report_views", sql: PackageResources._010_report_views_sql),
        Migration(version: 11, name: "registry_comments", sql: PackageResources._011_registry_comments_sql),
        Migration(version: 12, name: "scan_comments", sql: PackageResources._012_scan_comments_sql),
        Migration(version: 13, name: "live_view_comments", sql: PackageResources._013_live_view_comments_sql),
        Migration(version: 14, name: "report_view_comments", sql: PackageResources._014_report_view_comments_sql),
    ]
}
