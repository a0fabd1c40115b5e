import CLI
import Postgres
import Registry
import Schema

/// The commands of `tapline-center`, in one file for each group.
enum Center {
    static let databaseURL = Option(
        "database-url", "URL", "database, a libpq connection URI: postgresql://USER@HOST:PORT/DATABASE", kind: .secret,
        required: true)

    /// Returns the URL of the database, checked without connecting.
    static func database(_ arguments: Arguments) throws -> String {
        let url = try arguments.required("database-url")
        try PostgresConnection.validate(url: url)
        return url
    }

    /// Connects, and runs `body`. Adds the word "database" and the server's detail to database errors.
    static func withDatabase<Result>(
        _ url: String, statementTimeoutMs: Int = 60_000, _ body: (PostgresConnection) throws -> Result
    ) throws -> Result {
        do {
            return try body(
                PostgresConnection(
                    url: url, statementTimeoutMs: statementTimeoutMs, applicationName: "tapline-center"))
        } catch let error as PostgresError {
            throw ProgramError(
                ExitCode(for: error), "database: \(error)" + (error.detail.map { "; \($0)" } ?? ""))
        }
    }

    /// Connects to a database with the current schema, and runs `body`. Adds the flags that help to rejected changes.
    static func withRegistry<Result>(
        _ url: String, statementTimeoutMs: Int = 60_000, _ body: (RegistryStore, PostgresConnection) throws -> Result
    ) throws -> Result {
        do {
            return try withDatabase(url, statementTimeoutMs: statementTimeoutMs) {
                try body(RegistryStore($0), $0)
            }
        } catch let error as RegistryError {
            throw ProgramError(ExitCode(for: error), error.description + (hint(error).map { " (\($0))" } ?? ""))
        }
    }

    static func withRegistry<Result>(_ url: String, _ body: (RegistryStore) throws -> Result) throws -> Result {
        try withRegistry(url) { registry, _ in try body(registry) }
    }

    private static func hint(_ error: RegistryError) -> String? {
        switch error {
        case .gateNeedsZone: "use --zone NAME"
        case .eventNameMissing: "use --name NAME"
        case .shrinks(.voidMissing, _, _): "by --void-missing; if this is intended, use --allow-shrink"
        case .shrinks(.replaceTags, _, _): "by --replace-tags; if this is intended, use --allow-shrink"
        case .tagColumnMissing: "by --replace-tags"
        default: nil
        }
    }

    /// A command that prints the rows of a query.
    static func list(_ words: String, _ summary: String, _ sql: String) -> Command {
        Command(words, summary, options: [databaseURL, .output]) { arguments in
            let url = try database(arguments)
            let json = try arguments.outputFormat() == .json
            return {
                try withRegistry(url) { _, connection in
                    let listing = try Listing(connection, sql, json: json)
                    print(json ? listing.json : listing.table)
                }
            }
        }
    }
}
