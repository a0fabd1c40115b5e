import AMQP
import BrokerOptions
import CLI
import Postgres
import Registry
import Schema

/// The commands of `tapline-center`, in one file for each group.
enum Center {
    static let databaseURL = Option.database
    /// The broker nodes, at least one.
    static let brokerURL = Option(
        "amqp-url", "URL", "RabbitMQ node: amqps://USER:PASSWORD@HOST:PORT/VHOST; several are tried in turn",
        kind: .secrets, required: true, companions: Option.brokerSecurity)

    /// `--make-zones`: permits new zones whose names may be typing errors.
    static func makeZones(_ effect: String) -> Option { .toggle("make-zones", effect) }

    /// Returns the URL of the database, checked without connecting.
    static func database(_ arguments: Arguments) throws -> String {
        let url = try arguments.required("database-url")
        guard !arguments.has("insecure-database") else {
            try PostgresConnection.validate(url: url)
            return url
        }
        do { try PostgresConnection.requireProtection(url: url) } catch {
            guard error.code == .insecure else { throw error }
            throw ProgramError.configuration("--database-url: \(error) (--insecure-database permits it)")
        }
        return url
    }

    /// Returns the broker nodes, at least one, checked without connecting.
    static func brokers(_ arguments: Arguments) throws -> [AMQPAddress] {
        let security = try arguments.amqpSecurity()
        var brokers: [AMQPAddress] = []
        for url in arguments.all("amqp-url") {
            do { brokers.append(try AMQPAddress(url: url, security: security)) } catch {
                throw ProgramError.configuration(
                    "--amqp-url: \(error)" + (error.kind == .insecure ? " (--insecure-amqp permits it)" : ""))
            }
        }
        guard !brokers.isEmpty else { throw ProgramError.configuration("--amqp-url is required (see --help)") }
        return brokers
    }

    /// Connects, and runs `body`. Adds words to its errors (`explained`).
    static func withDatabase<Result>(
        _ url: String, statementTimeoutMs: Int = 60_000, _ body: (PostgresConnection) throws -> Result
    ) throws -> Result {
        do {
            return try body(
                PostgresConnection(
                    url: url, statementTimeoutMs: statementTimeoutMs, applicationName: "tapline-center"))
        } catch { throw explained(error) }
    }

    /// Connects to a database with the current schema, and runs `body`. Adds words to its errors (`explained`).
    static func withRegistry<Result>(
        _ url: String, statementTimeoutMs: Int = 60_000, _ body: (RegistryStore, PostgresConnection) throws -> Result
    ) throws -> Result {
        try withDatabase(url, statementTimeoutMs: statementTimeoutMs) { try body(RegistryStore($0), $0) }
    }

    static func withRegistry<Result>(_ url: String, _ body: (RegistryStore) throws -> Result) throws -> Result {
        try withRegistry(url) { registry, _ in try body(registry) }
    }

    /// Adds the commands and flags that help to an error of the registry, the schema or the roles. Adds the word "database" and
    /// the server's detail to a database error. Returns other errors unchanged.
    static func explained(_ error: any Error) -> any Error {
        let words =
            switch error {
            case let error as PostgresError:
                "database: \(error)" + (error.detail.map { "; \($0)" } ?? "")
                    + (error.sqlState == "42501" ? " (for the rights of each user see docs/operating/database.md)" : "")
            case RegistryError.attendeeAmbiguous(_, let people, _):
                ([("\(error)")] + AttendeeTable.lines(people, atMost: AttendeeTable.errorWidth) + [
                    "Name one by its reference or with --id N"
                ])
                .joined(separator: "\n")
            case let error as RegistryError: "\(error)" + (hint(error).map { " (\($0))" } ?? "")
            case let error as SchemaError: "\(error)" + (hint(error).map { ": \($0)" } ?? "")
            case let error as GrantsMissing:
                "\(error): run as its owner, GRANT \(error.role.rawValue) TO \"\(error.user)\", and "
                    + "`tapline-center migrate` if some are missing then (docs/operating/database.md)"
            default: ""
            }
        return words.isEmpty ? error : ProgramError(ExitCode(for: error), words)
    }

    private static func hint(_ error: SchemaError) -> String? {
        switch error {
        case .missing, .outdated: "run `tapline-center migrate` first"
        case .preRelease:
            "`tapline-center export`, then `tapline-center migrate` and `tapline-center import` on the new database"
        case .newer, .gap, .changed, .unmarked: nil
        }
    }

    private static func hint(_ error: RegistryError) -> String? {
        switch error {
        case .zoneMissing: "tapline-center zone list"
        case .zonesMissing: "correct the list, or create them with --make-zones"
        case .nameResembles: "use the existing name, or --make-zones if the new one is intended"
        case .placeInUse: nil
        case .keyDiffers:
            "tapline-center event key --event-key-file FILE prints the fingerprint of a file; if the event's is wrong, "
                + "correct it with event set --event-key-file FILE"
        case .keyUnproved, .codeCaseInUse: "if this is intended, use --allow-unknown-tags"
        case .invalidTimeZone: "--time-zone"
        case .gateMissing: "tapline-center gate list"
        case .gateLeadsInto: "tapline-center gate set"
        case .gateNeedsZone: "use --zone NAME"
        case .eventNameMissing: "use --name NAME"
        case .attendeeMissing: "tapline-center attendee find TEXT"
        case .shrinks(.voidMissing, _, _): "by --void-missing; if this is intended, use --allow-shrink"
        case .shrinks(.replaceTags, _, _): "by --replace-tags; if this is intended, use --allow-shrink"
        case .tagColumnMissing: "by --replace-tags"
        default: nil
        }
    }

    /// A command that prints the rows of a query.
    ///
    /// - Parameter isCut: whether texts are cut so that the lines fit a terminal.
    static func list(_ words: String, _ summary: String, _ sql: String, isCut: Bool = true) -> Command {
        Command(words, summary, options: [databaseURL, .output]) { arguments in
            let url = try database(arguments)
            let json = try arguments.outputFormat() == .json
            return {
                try withRegistry(url) { _, connection in
                    let listing = try Listing(connection, sql, json: json)
                    if json { return TextOutput.json(listing.json) }
                    TextOutput.lines(isCut ? listing.terminalTable : listing.table)
                }
            }
        }
    }
}
