import Crypto
package import ErrorModel
package import Migrations
package import Postgres
import Runtime

/// Brings the database schema up to date.
///
/// Runs each missing migration once, in order, each in its own transaction. An advisory lock keeps two migrators apart.
/// Stores a checksum of each migration. Rejects, before any change, a database with a changed, missing or unknown
/// migration, and one that a pre-release version made.
package struct Migrator {
    private let connection: PostgresConnection
    private let known: [Migration]
    private static let log = Log("migrate")
    /// Key of the advisory lock: "TAPLINE" on a telephone keypad.
    private static let lockKey: Int64 = 8_275_463

    /// Creates a migrator.
    ///
    /// - Parameters:
    ///   - connection: used by this value alone while a call is running.
    ///   - known: the migrations of this program, in order, with the versions 1, 2, ...
    package init(_ connection: PostgresConnection, _ known: [Migration] = Migration.all) {
        self.connection = connection
        self.known = known
    }

    /// Runs the missing migrations.
    ///
    /// - Returns: the migrations that were run, in order.
    /// - Throws: `SchemaError` if the database is rejected; `PostgresError`.
    package func migrate() throws -> [Migration] {
        try connection.query("SELECT pg_advisory_lock($1)", [.int64(Self.lockKey)])
        defer { _ = try? connection.query("SELECT pg_advisory_unlock($1)", [.int64(Self.lockKey)]) }
        let rows = try applied()
        try check(rows)
        for row in rows where row.checksum == nil {
            try connection.query(
                "UPDATE tapline.schema_migrations SET checksum = $2 WHERE version = $1",
                [.int32(Int32(row.version)), .text(checksum(known[row.version - 1]))])
            Self.log.info("migration was run by psql, checksum stored", [.version: row.version])
        }
        let missing = known.dropFirst(rows.count)
        for migration in missing { try run(migration) }
        return Array(missing)
    }

    /// Checks that the schema is the one that this program needs.
    ///
    /// - Throws: `SchemaError`, `PostgresError`.
    package func requireCurrent() throws {
        let rows = try applied()
        try check(rows)
        guard rows.count == known.count else {
            throw rows.isEmpty ? SchemaError.missing : SchemaError.outdated
        }
    }

    private struct Applied {
        let version: Int
        let name: String
        let checksum: String?
    }

    private func applied() throws -> [Applied] {
        let schema = try connection.query("SELECT to_regclass('tapline.schema_migrations')")
        guard !schema.isNull(0, 0) else { return [] }
        let rows = try connection.query(
            "SELECT version, name, checksum FROM tapline.schema_migrations ORDER BY version")
        return (0..<rows.rowCount).map {
            Applied(version: Int(rows.int($0, 0)), name: rows.text($0, 1), checksum: rows.optionalText($0, 2))
        }
    }

    private func check(_ rows: [Applied]) throws {
        // Pre-release numberings began with the name "registry". The checksum proves nothing: psql stores none.
        if let first = rows.first, first.version == 1, first.name != known.first?.name { throw SchemaError.preRelease }
        for (index, row) in rows.enumerated() {
            guard let migration = known.first(where: { $0.version == row.version }) else {
                throw SchemaError.newer(version: row.version, name: row.name)
            }
            guard row.version == known[index].version else {
                throw SchemaError.gap(version: row.version, missing: known[index].version)
            }
            guard row.name == migration.name, row.checksum == nil || row.checksum == checksum(migration) else {
                throw SchemaError.changed(version: row.version, name: migration.name)
            }
        }
    }

    private func run(_ migration: Migration) throws {
        try connection.transaction {
            try connection.execute(String(decoding: migration.sql, as: UTF8.self))
            let marked = try connection.query(
                "UPDATE tapline.schema_migrations SET checksum = $2 WHERE version = $1 AND name = $3",
                [.int32(Int32(migration.version)), .text(checksum(migration)), .text(migration.name)])
            guard marked.affectedRows == 1 else {
                throw SchemaError.unmarked(file: migration.fileName)
            }
        }
        Self.log.info("migrated", [.version: migration.version, .name: migration.name])
    }

    private func checksum(_ migration: Migration) -> String { Hex.encode(SHA256.hash(migration.sql)) }
}

/// A database schema that this program cannot use.
package enum SchemaError: OperationError, Equatable {
    case missing, outdated
    /// Made before the first release, with other migrations.
    case preRelease
    /// Has a migration that this program does not know.
    case newer(version: Int, name: String)
    /// Has a migration but not an earlier one.
    case gap(version: Int, missing: Int)
    /// The file of the migration was changed after it was run.
    case changed(version: Int, name: String)
    /// The file of the migration does not record that it was run.
    case unmarked(file: String)

    /// `failure` for a defect of a migration, otherwise `configuration`.
    package var category: ErrorCategory {
        if case .unmarked = self { .failure } else { .configuration }
    }

    /// What is wrong with the schema. It names no command of a program.
    package var description: String {
        switch self {
        case .missing: "the database has no tapline schema"
        case .outdated: "the database schema is out of date"
        case .preRelease:
            "this database was made by a pre-release version of tapline and cannot be migrated: export the "
                + "registration list with that version, create a new database, migrate it, and import the list"
        case .newer(let version, let name):
            "the database has migration \(version) (\(name)), which this program does not know: it belongs to a newer "
                + "version of tapline"
        case .gap(let version, let missing):
            "the database has migration \(version) but not \(missing): it was not made by tapline"
        case .changed(let version, let name):
            "migration \(version) (\(name)) differs from the one that was run: a published migration must not change"
        case .unmarked(let file): "\(file) does not insert its row into schema_migrations"
        }
    }
}
