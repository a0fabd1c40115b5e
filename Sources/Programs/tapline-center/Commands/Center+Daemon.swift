import AMQP
import CLI
import CenterHTTP
import HTTPServer
import Ingest
import Migrations
import Minisign
import PartitionMaintenance
import Postgres
import Runtime
import Schema
import SnapshotExport
import Snapshots

extension Center {
    static let daemon = [run, migrate, retention]

    private static let migrate = Command(
        "migrate", "make the schema, or bring it up to date", options: [databaseURL]
    ) { arguments in
        let url = try database(arguments)
        return {
            // A migration may rewrite a table: no limit.
            let done = try withDatabase(url, statementTimeoutMs: 0) { try Migrator($0).migrate() }
            print(
                done.isEmpty
                    ? "the schema is up to date" : "migrated: " + done.map(\.fileName).joined(separator: ", "))
        }
    }

    private static let run = Command(
        "run", "the daemon: broker to database, HTTP, snapshots",
        options: [
            Option(
                "amqp-url", "URL", "a RabbitMQ node: amqp://USER:PASSWORD@HOST:PORT/VHOST; several are tried in turn",
                kind: .secrets,
                required: true),
            databaseURL,
            Option("http", "ADDRESS:PORT", "where to serve HTTP; port 0: any", default: "127.0.0.1:8080"),
            Option("snapshots", "DIR", "the folder of the snapshot files, served as /snapshot/"),
            Option("shards", "N", "queues of the broker: 4 at first; may grow, never shrink"),
            Option(
                "writers", "N", "connections that store side by side, 1 to 16",
                default: "\(IngestSettings.defaultWorkers)"),
            Option("center", "K/N", "which of N centers on the same queues this is, as 2/3", default: "1/1"),
            Option(
                "database-away-limit-s", "S",
                "batches in hand are held so long without a database, then given back to the broker, 1 to 1500",
                default: "600"),
            Option("relay-user", "NAME", "a broker user that may publish for any scanner", kind: .repeated),
            Option(
                "signing-key", "FILE",
                "minisign secret key; publish a snapshot in --snapshots whenever the registration list has changed"),
            Option("signing-key-password", "TEXT", "of an encrypted signing key", kind: .secret),
            Option("snapshot-at", "HH:MM", "publish one each night at this time of the event, too"),
            Option("keep-days", "N", "drop scans N days after their journals were heard of; never if not given"),
        ]
    ) { arguments in
        let url = try database(arguments)
        let metrics = Metrics()
        let ingest = IngestService(try ingestSettings(arguments, url), metrics: metrics)
        let growth = MaintenanceService(
            databaseURL: url,
            MaintenanceSettings(keepDays: try arguments.int("keep-days", MaintenanceSettings.keepDaysRange)),
            metrics: metrics)
        let address = try arguments.required("http")
        guard let http = HTTPAddress(address) else {
            throw ProgramError.configuration("--http \(address): ADDRESS:PORT is needed, as 127.0.0.1:8080")
        }
        let web = CenterEndpoints(
            metrics: metrics, snapshots: arguments["snapshots"], readiness: { ingest.health.problems })
        let snapshots = try snapshotService(arguments, url)
        return {
            let schema = SchemaGuard(url: url)
            // An unmigrated schema is told before anything starts; a database that is away is waited for.
            let isKnown = try schema.check()
            if !isKnown { Log("center").warning("database away, waiting for it") }
            var services = [ingest.service()]
            if !isKnown { services.append(schema.service()) }
            services += growth.services()
            if let snapshots { services.append(snapshots.service()) }
            services.append(web.service(http))
            Log("center").info("starting", [.version: Software.version])
            try await ServiceGroup(services).run()
        }
    }

    private static func ingestSettings(_ arguments: Arguments, _ url: String) throws -> IngestSettings {
        let brokers: [AMQPAddress]
        do {
            brokers = try arguments.all("amqp-url").map { (text) throws(AMQPError) in try AMQPAddress(url: text) }
        } catch { throw ProgramError.configuration("--amqp-url: \(error)") }
        guard !brokers.isEmpty else { throw ProgramError.configuration("--amqp-url is needed (see --help)") }
        var settings = IngestSettings(
            brokers: brokers, databaseURL: url, shards: try arguments.int("shards", IngestSettings.shardsRange),
            relayUsers: Set(arguments.all("relay-user")),
            workers: try arguments.int("writers", IngestSettings.workersRange) ?? IngestSettings.defaultWorkers)
        let text = try arguments.required("center")
        guard let instance = CenterInstance(text) else {
            throw ProgramError.configuration(
                "--center \(text): K/N is needed, as 2/3, with N up to \(CenterInstance.countLimit)")
        }
        settings.instance = instance
        let limitS = try arguments.int("database-away-limit-s", IngestSettings.databaseAwayRangeS)
        settings.databaseAwayLimitMs = 1_000 * (limitS ?? 600)
        return settings
    }

    private static func snapshotService(_ arguments: Arguments, _ url: String) throws -> SnapshotService? {
        let night = try arguments["snapshot-at"].map { try DailySchedule($0) }
        guard let keyFile = arguments["signing-key"] else {
            guard night == nil else {
                throw ProgramError.configuration("--snapshot-at needs --snapshots DIR and --signing-key FILE")
            }
            return nil
        }
        guard let folder = arguments["snapshots"] else {
            throw ProgramError.configuration("--signing-key needs --snapshots DIR, the folder to publish in")
        }
        let key = try MinisignSecretKey(path: keyFile, password: arguments["signing-key-password"])
        return SnapshotService(
            databaseURL: url, SnapshotExporter.Settings(folder: folder, key: key), night: night)
    }
}

/// Ends a daemon whose database has another schema than it needs. A database that is away is no reason to end: a daemon that
/// boots first waits.
struct SchemaGuard: Sendable {
    let url: String

    /// Whether the schema was seen, and is right. Throws `ProgramError` (configuration) when it is not; gives false when the
    /// database is away.
    func check() throws -> Bool {
        do {
            try Migrator(PostgresConnection(url: url, applicationName: "tapline-center")).requireCurrent()
            return true
        } catch let error as PostgresError {
            guard error.isRetriable else { throw ProgramError(error) }
            return false
        }
    }

    /// Checks as soon as the database is there.
    func service() -> Service {
        .thread("schema") { stop in
            var backoff = Backoff()
            while !stop.wait(ms: backoff.nextDelayMs()) {
                if try check() { break }
            }
            stop.wait(ms: -1)
        }
    }
}
