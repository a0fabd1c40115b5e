import CLI
import FileSystem
import Postgres
import Registry
import ScanModel
import Schema

/// The commands, a file a group.
enum Center {
    static let databaseURL = Option(
        "database-url", "URL", "database, a libpq connection URI: postgresql://USER@HOST:PORT/DATABASE", kind: .secret,
        required: true)
    static let output = Option("output", "text|json", "output format", default: "text")
    static let eventKeyFile = Option("event-key-file", "FILE", "file with the event key, 32 raw bytes")

    enum Output: String, CaseIterable { case text, json }

    /// The checked URL of the database.
    static func database(_ arguments: Arguments) throws -> String {
        let url = try arguments.required("database-url")
        do { try PostgresConnection.validate(url: url) } catch { throw ProgramError(error) }
        return url
    }

    static func eventKey(_ arguments: Arguments) throws -> EventKey {
        let path = try arguments.required("event-key-file")
        let bytes: [UInt8]
        do { bytes = try Files.read(path, limit: 4_096) } catch {
            throw ProgramError.configuration("event key: \(error)")
        }
        guard let key = EventKey(bytes) else {
            throw ProgramError.configuration(
                "event key \(path): \(bytes.count) bytes where \(EventKey.length) are needed")
        }
        return key
    }

    static func scannerID(_ text: String) throws -> ScannerID {
        guard let id = ScannerID(text) else {
            throw ProgramError.usage(
                "'\(text)' is not a scanner's identity: 1 to 63 of a-z, 0-9 and -, not beginning with -")
        }
        return id
    }

    /// Connects, runs `body`, and gives database errors their exit codes.
    static func withDatabase<Result>(
        _ url: String, statementTimeoutMs: Int = 60_000, _ body: (PostgresConnection) throws -> Result
    ) throws -> Result {
        do {
            return try body(
                PostgresConnection(
                    url: url, statementTimeoutMs: statementTimeoutMs, applicationName: "tapline-center"))
        } catch let error as PostgresError { throw ProgramError(error) }
    }

    /// The same over a schema that is up to date.
    static func withRegistry<Result>(_ url: String, _ body: (RegistryStore) throws -> Result) throws -> Result {
        try withDatabase(url) { try body(RegistryStore($0)) }
    }

    /// A command that prints the rows of a query.
    static func list(_ words: String, _ summary: String, _ sql: String) -> Command {
        Command(words, summary, options: [databaseURL, output]) { arguments in
            let url = try database(arguments)
            let json = try arguments.choice("output", Output.self) == .json
            return {
                try withDatabase(url) { connection in
                    _ = try RegistryStore(connection)
                    let listing = try Listing(connection, sql, json: json)
                    print(json ? listing.json : listing.table)
                }
            }
        }
    }
}
