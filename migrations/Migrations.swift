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
    /// List a new file here and in Package.swift, before the last one, which grants the rights. Never change a file after its release. Each file stays under 10 kB:
    /// larger ones are slow to compile when embedded.
    package static let all = [
        Migration(version: 1, name: "foundation", sql: PackageResources._001_foundation_sql),
        Migration(version: 2, name: "registry", sql: PackageResources._002_registry_sql),
        Migration(version: 3, name: "journals", sql: PackageResources._003_journals_sql),
        Migration(version: 4, name: "scan_runs", sql: PackageResources._004_scan_runs_sql),
        Migration(version: 5, name: "scan_partitions", sql: PackageResources._005_scan_partitions_sql),
        Migration(version: 6, name: "ingest", sql: PackageResources._006_ingest_sql),
        Migration(version: 7, name: "tracking", sql: PackageResources._007_tracking_sql),
        Migration(version: 8, name: "double_admissions", sql: PackageResources._008_double_admissions_sql),
        Migration(version: 9, name: "verification", sql: PackageResources._009_verification_sql),
        Migration(version: 10, name: "lane_health", sql: PackageResources._010_lane_health_sql),
        Migration(version: 11, name: "live_views", sql: PackageResources._011_live_views_sql),
        Migration(version: 12, name: "report_views", sql: PackageResources._012_report_views_sql),
        Migration(version: 13, name: "registry_comments", sql: PackageResources._013_registry_comments_sql),
        Migration(version: 14, name: "scan_comments", sql: PackageResources._014_scan_comments_sql),
        Migration(version: 15, name: "live_view_comments", sql: PackageResources._015_live_view_comments_sql),
        Migration(version: 16, name: "report_view_comments", sql: PackageResources._016_report_view_comments_sql),
        Migration(version: 17, name: "enrolment", sql: PackageResources._017_enrolment_sql),
        Migration(version: 18, name: "void_scans", sql: PackageResources._018_void_scans_sql),
        Migration(version: 19, name: "roles", sql: PackageResources._019_roles_sql),
        Migration(version: 20, name: "live_settings", sql: PackageResources._020_live_settings_sql),
        Migration(version: 21, name: "refusal_flow", sql: PackageResources._021_refusal_flow_sql),
        Migration(version: 22, name: "wall_views", sql: PackageResources._022_wall_views_sql),
        Migration(version: 23, name: "viewer_tokens", sql: PackageResources._023_viewer_tokens_sql),
        Migration(version: 24, name: "people_search", sql: PackageResources._024_people_search_sql),
        Migration(version: 25, name: "privacy", sql: PackageResources._025_privacy_sql),
        Migration(version: 26, name: "scan_queries", sql: PackageResources._026_scan_queries_sql),
        Migration(version: 27, name: "reports", sql: PackageResources._027_reports_sql),
        Migration(version: 28, name: "report_comments", sql: PackageResources._028_report_comments_sql),
        Migration(version: 29, name: "wall_comments", sql: PackageResources._029_wall_comments_sql),
        Migration(version: 30, name: "sudden_drops", sql: PackageResources._030_sudden_drops_sql),
        Migration(version: 31, name: "grants", sql: PackageResources._031_grants_sql),
    ]
}
