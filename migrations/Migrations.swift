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
        Migration(version: 1, name: "registry", sql: PackageResources._001_registry_sql),
        Migration(version: 2, name: "scans", sql: PackageResources._002_scans_sql),
        Migration(version: 3, name: "tracking", sql: PackageResources._003_tracking_sql),
        Migration(version: 4, name: "double_admissions", sql: PackageResources._004_double_admissions_sql),
        Migration(version: 5, name: "verification", sql: PackageResources._005_verification_sql),
        Migration(version: 6, name: "live_views", sql: PackageResources._006_live_views_sql),
        Migration(version: 7, name: "report_views", sql: PackageResources._007_report_views_sql),
        Migration(version: 8, name: "registry_comments", sql: PackageResources._008_registry_comments_sql),
        Migration(version: 9, name: "scan_comments", sql: PackageResources._009_scan_comments_sql),
        Migration(version: 10, name: "live_view_comments", sql: PackageResources._010_live_view_comments_sql),
        Migration(version: 11, name: "report_view_comments", sql: PackageResources._011_report_view_comments_sql),
        Migration(version: 16, name: "codes", sql: PackageResources._016_codes_sql),
    ]
}
