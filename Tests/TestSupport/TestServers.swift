import FileSystem
import Glibc

/// The private RabbitMQ and PostgreSQL that `scripts/servers start` runs for the tests. Without them a test fails, and
/// is never skipped.
package enum TestServers {
    /// URL of an administrator, with the default vhost.
    package static func amqpURL() throws -> String { try value("TAPLINE_TEST_AMQP_URL") }
    /// URL of a superuser.
    package static func databaseURL() throws -> String { try value("TAPLINE_TEST_DATABASE_URL") }
    /// URL of the management API, which is enabled at the first call.
    package static func managementURL() throws -> String {
        let url = try value("TAPLINE_TEST_MANAGEMENT_URL")
        try management.get()
        return url
    }
    private static let management = Result { _ = try command("management") }
    /// Password of the RabbitMQ administrator.
    package static func amqpPassword() throws -> String {
        let url = try amqpURL()
        guard let colon = url.dropFirst("amqp://".count).firstIndex(of: ":"), let at = url.firstIndex(of: "@") else {
            throw TestFailure("TAPLINE_TEST_AMQP_URL has no password")
        }
        return String(url[url.index(after: colon)..<at])
    }
    /// User name of the RabbitMQ administrator.
    package static let amqpUser = "tapline"

    private static func value(_ name: String) throws -> String {
        guard let value = Environment.value(name) else {
            throw TestFailure("\(name) is not set: start servers with scripts/servers start DIR, then . DIR/env")
        }
        return value
    }

    /// Runs `scripts/servers COMMAND DIR ARGUMENT...` for the servers of this run.
    @discardableResult
    package static func command(_ command: String, _ arguments: String...) throws -> Run {
        try Run.succeeding(
            Package.folder + "/scripts/servers", [command, try value("TAPLINE_SERVERS_DIR")] + arguments,
            withinMs: 180_000)
    }

    /// A password that nothing else has.
    package static func randomPassword() -> String { uniqueName() }

    static func uniqueName() -> String {
        "test-" + String(UInt64.random(in: 1 << 60 ... .max), radix: 36)
    }
}

/// Separate servers for one test, which can kill and restart them. Starting them takes about six seconds.
package final class OwnServers: Sendable {
    package let folder: TemporaryFolder
    package let amqpURL: String
    /// URL of the administrator by TLS at the host `localhost`; empty without certificates.
    package let amqpsURL: String
    package let databaseURL: String

    /// - Parameter certificates: folder with ca.pem, localhost.pem and localhost.key for TLS; `nil` without TLS.
    package init(certificates: String? = nil) throws {
        folder = TemporaryFolder("servers")
        do {
            try OwnServers.run("start", folder.path, certificates.map { ["--tls", $0] } ?? [])
            var values: [String: String] = [:]
            for line in try Files.readText(folder.file("env")).split(separator: "\n") {
                let pair = line.dropFirst("export ".count).split(separator: "=", maxSplits: 1)
                if pair.count == 2 { values[String(pair[0])] = String(pair[1]) }
            }
            (amqpURL, databaseURL) = (
                values["TAPLINE_TEST_AMQP_URL"] ?? "", values["TAPLINE_TEST_DATABASE_URL"] ?? ""
            )
            amqpsURL = values["TAPLINE_TEST_AMQPS_URL"] ?? ""
        } catch {
            try? OwnServers.run("stop", folder.path)
            throw error
        }
    }

    deinit { try? OwnServers.run("stop", folder.path) }

    /// Runs `scripts/servers COMMAND DIR ARGUMENT...`.
    package func command(_ command: String, _ arguments: String...) throws {
        try OwnServers.run(command, folder.path, arguments)
    }

    private static func run(_ command: String, _ folder: String, _ arguments: [String] = []) throws {
        try Run.succeeding(Package.folder + "/scripts/servers", [command, folder] + arguments, withinMs: 180_000)
    }
}

/// A database for one test, dropped when the object is released.
package final class TestDatabase: Sendable {
    package let url: String
    private let administrator: String
    package let name: String

    /// - Parameters:
    ///   - administrator: URL of a superuser, ending in `/postgres`; `nil` for the servers of the run.
    ///   - template: the database to copy, with its settings; `nil` for an empty database. No session may use it.
    ///   - owner: role that owns the database; `nil` for the superuser.
    package init(administrator: String? = nil, copying template: TestDatabase? = nil, owner: String? = nil) throws {
        self.administrator = try administrator ?? TestServers.databaseURL()
        name = TestServers.uniqueName()
        guard self.administrator.hasSuffix("/postgres") else {
            throw TestFailure("TAPLINE_TEST_DATABASE_URL must end in /postgres")
        }
        url = self.administrator.dropLast("postgres".count) + name
        var statements = "CREATE DATABASE \"\(name)\""
        if let owner { statements += " OWNER \(owner)" }
        if let template {
            // A copy of the files takes less time than a copy by the log, and CREATE DATABASE copies no settings.
            statements += """
                 TEMPLATE "\(template.name)" STRATEGY file_copy;
                INSERT INTO pg_db_role_setting SELECT copy.oid, setrole, setconfig
                FROM pg_db_role_setting JOIN pg_database original ON original.oid = setdatabase, pg_database copy
                WHERE original.datname = '\(template.name)' AND copy.datname = '\(name)'
                """
        }
        try Psql.run(self.administrator, statements)
    }

    deinit { _ = try? Psql.run(administrator, "DROP DATABASE \"\(name)\" WITH (FORCE)") }

    /// The rows of a query by psql, one string per row, columns joined by `|`, nulls empty.
    @discardableResult
    package func query(_ sql: String) throws -> [String] { try Psql.run(url, sql) }

    /// The result of a query for one number.
    package func number(_ sql: String) throws -> Int {
        let rows = try query(sql)
        guard rows.count == 1, let value = Int(rows[0]) else { throw TestFailure("\(sql): not a number: \(rows)") }
        return value
    }
}

/// Queries with psql, independent of the code under test.
package enum Psql {
    /// The rows of a query, one string per row, columns joined by `|`, nulls empty.
    ///
    /// - Throws: `TestFailure` with the error of psql.
    @discardableResult
    package static func run(_ url: String, _ sql: String) throws -> [String] {
        try Run.succeeding(
            "psql", ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-", url],
            environment: ["PGCONNECT_TIMEOUT": "10"], input: sql
        ).lines
    }
}

/// A vhost for one test, deleted when the object is released.
package final class TestVhost: Sendable {
    package let name: String
    package let url: String

    package init() throws {
        name = TestServers.uniqueName()
        let base = try TestServers.amqpURL()
        guard base.hasSuffix("/%2F") else { throw TestFailure("TAPLINE_TEST_AMQP_URL must end in /%2F") }
        url = base.dropLast("%2F".count) + name
        try TestServers.command("vhost", name)
    }

    deinit { _ = try? TestServers.command("delete-vhost", name) }
}
