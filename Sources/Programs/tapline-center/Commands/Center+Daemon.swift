import CLI
import CenterHTTP
import FileSystem
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
        "migrate", "create or upgrade the database schema", options: [databaseURL]
    ) { arguments in
        let url = try database(arguments)
        return {
            // No time limit: a migration can rewrite a table.
            let (done, left) = try withDatabase(url, statementTimeoutMs: 0) { connection in
                (try Migrator(connection).migrate(), try RoleGrants(connection).grant())
            }
            TextOutput.line(
                done.isEmpty
                    ? "the schema is up to date" : "migrated: " + done.map(\.fileName).joined(separator: ", "))
            if !left.isEmpty {
                TextOutput.line(
                    "roles of other users are not complete. Let an administrator run this, and migrate again:")
                for statement in left { TextOutput.line("  \(statement)") }
            }
        }
    }

    private static let run = Command(
        "run", "run the center: store batches of the broker, serve HTTP, publish snapshots, until SIGTERM",
        options: [
            brokerURL, databaseURL,
            Option(
                "http", "ADDRESS:PORT", "address of the HTTP server; port 0 selects a free port",
                default: "127.0.0.1:8080"),
            Option(
                "http-certificate-file", "FILE",
                "certificate of the HTTP server for TLS, PEM, with intermediate ones; a changed file is loaded"),
            Option("http-key-file", "FILE", "private key of that certificate, PEM, mode 600"),
            .toggle("insecure-http", "permit plain HTTP on an address that other machines reach"),
        ] + WallService.options + [
            Option("snapshots", "DIR", "folder of the snapshot files, served as /snapshot/"),
            Option(
                "shards", "N", "number of broker queues, which can be increased and never reduced; 4 for a new broker"),
            Option(
                "writers", "N", "number of database connections that store batches in parallel, 1 to 16",
                default: "\(IngestSettings.defaultWorkers)"),
            Option(
                "center", "K/N", "number K of this center among N centers on the same queues, for example 2/3",
                default: "1/1"),
            Option(
                "database-away-limit-s", "S",
                "time without a database after which unacknowledged batches are requeued, in seconds, 1 to 1500",
                default: "600"),
            Option("relay-user", "NAME", "broker user that may publish for any scanner", kind: .repeated),
            Option(
                "signing-key", "FILE",
                "minisign secret key; publishes a snapshot in --snapshots after each change of the registration list"),
            Option("signing-key-password", "TEXT", "password of an encrypted signing key", kind: .secret),
            Option("snapshot-at", "HH:MM", "also publish a snapshot daily at this local time of the event"),
            Option(
                "keep-days", "N",
                "drop partitions of scans whose journals were last received N days ago (default never)"),
            Option(
                "keep-names-days", "N",
                "erase names of people N days after their last passage and access (default never)"),
        ]
    ) { arguments in
        let url = try database(arguments)
        let metrics = Metrics()
        ProcessMetrics.register(in: metrics, program: "tapline-center")
        let ingestion = try ingestSettings(arguments, url)
        let ingest = IngestService(ingestion, metrics: metrics)
        let broker = BrokerWatch(ingestion, metrics: metrics)
        let maintenance = MaintenanceService(
            databaseURL: url,
            MaintenanceSettings(
                keepDays: try arguments.int("keep-days", MaintenanceSettings.keepDaysRange),
                keepNamesDays: try arguments.int("keep-names-days", MaintenanceSettings.keepDaysRange)),
            metrics: metrics)
        let address = try arguments.required("http")
        guard let http = HTTPAddress(address) else {
            throw ProgramError.configuration("--http \(address): not ADDRESS:PORT, such as 127.0.0.1:8080")
        }
        let certificate = try serverCertificate(arguments, http)
        let health = SnapshotHealth(metrics)
        let snapshots = try snapshotService(arguments, url, health)
        let wall = try WallService(arguments, ingestion, ingest, metrics: metrics)
        let liveness = CenterLiveness(
            databaseURL: url, instance: try instance(arguments), served: arguments["snapshots"].map(servedSnapshots),
            metrics: metrics, snapshotProblem: { health.problem }, deadLetters: { wall.deadLetters },
            isListening: { ingest.health.isBrokerConnected })
        let enrolment = EnrolmentService(databaseURL: url)
        let web = CenterEndpoints(
            metrics: metrics, snapshots: arguments["snapshots"], admits: enrolment.allows,
            enrolment: enrolment.endpoints, pages: wall.pages, live: wall.live, people: wall.people,
            viewers: wall.viewers,
            readiness: {
                ingest.health.problems + liveness.problems + (health.failure.map { [("snapshots", $0)] } ?? [])
            })
        return {
            let schema = SchemaGuard(url: url)
            // A wrong schema ends the daemon before anything starts. An unavailable database does not: the service
            // waits for it.
            let isKnown = try schema.check()
            var services = [ingest.service()]
            if !isKnown { services.append(schema.service()) }
            services += maintenance.services() + [broker.service()]
            services.append(liveness.service())
            services += enrolment.services + wall.services
            if let snapshots { services.append(snapshots.service()) }
            services.append(web.service(http, certificate))
            Log("center").info("starting", [.version: Software.version])
            if http.isLoopback {
                let remedy =
                    "use --http 0.0.0.0:\(http.port) with --http-certificate-file, or a reverse proxy on this machine"
                Log("center").info(
                    "other machines, such as scanners, cannot reach a loopback address",
                    [.host: http, .detail: remedy])
            }
            try await ServiceGroup(services).run()
        }
    }

    private static func ingestSettings(_ arguments: Arguments, _ url: String) throws -> IngestSettings {
        var settings = IngestSettings(
            brokers: try brokers(arguments), databaseURL: url,
            shards: try arguments.int("shards", IngestSettings.shardsRange),
            relayUsers: Set(arguments.all("relay-user")),
            workers: try arguments.int("writers", IngestSettings.workersRange) ?? IngestSettings.defaultWorkers)
        settings.instance = try instance(arguments)
        let limitS = try arguments.int("database-away-limit-s", IngestSettings.databaseAwayRangeS)
        settings.databaseAwayLimitMs = 1_000 * (limitS ?? 600)
        return settings
    }

    /// Reads the certificate of the HTTP server, to report a fault before the start.
    private static func serverCertificate(_ arguments: Arguments, _ http: HTTPAddress) throws -> ServerCertificateFiles?
    {
        let (chain, key) = (
            try arguments.existingFile("http-certificate-file"), try arguments.privateFile("http-key-file")
        )
        switch (chain, key) {
        case (let chain?, let key?):
            let files = ServerCertificateFiles(chain: chain, key: key)
            _ = try files.load()
            return files
        case (nil, nil):
            guard http.isLoopback || arguments.has("insecure-http") else {
                throw ProgramError.configuration(
                    "--http \(http): plain HTTP shows the tokens of scanners to the network: give --http-certificate-file "
                        + "and --http-key-file (--insecure-http permits it)")
            }
            return nil
        default: throw ProgramError.configuration("--http-certificate-file and --http-key-file need each other")
        }
    }

    private static func instance(_ arguments: Arguments) throws -> CenterInstance {
        let text = try arguments.required("center")
        guard let instance = CenterInstance(text) else {
            throw ProgramError.configuration(
                "--center \(text): K/N is needed, as 2/3, with N up to \(CenterInstance.countLimit)")
        }
        return instance
    }

    private static func servedSnapshots(_ folder: String) -> CenterLiveness.ServedSnapshots {
        CenterLiveness.ServedSnapshots(folder: Files.canonicalPath(folder)) {
            NewestSnapshot.publishedVersion(folder)
        }
    }

    private static func snapshotService(
        _ arguments: Arguments, _ url: String, _ health: SnapshotHealth
    ) throws -> SnapshotService? {
        let schedule = try arguments["snapshot-at"].map { text in
            do { return try DailySchedule(text) } catch {
                throw ProgramError.configuration("--snapshot-at: \(error)")
            }
        }
        guard let keyFile = arguments["signing-key"] else {
            guard schedule == nil else {
                throw ProgramError.configuration("--snapshot-at needs --snapshots DIR and --signing-key FILE")
            }
            return nil
        }
        guard let folder = arguments["snapshots"] else {
            throw ProgramError.configuration("--signing-key needs --snapshots DIR, the folder to publish in")
        }
        let key = try MinisignSecretKey(path: keyFile, password: arguments["signing-key-password"])
        var settings = SnapshotExporter.Settings(folder: folder, key: key)
        settings.isPublished = true
        return SnapshotService(databaseURL: url, settings, schedule: schedule, health: health, remedy: remedy)
    }

    /// Returns the command that corrects an error of an export.
    private static func remedy(_ error: any Error) -> String? {
        switch error {
        case is ExportRejection: "tapline-snapshot export --allow-shrink"
        case SnapshotExportError.eventNameMissing: "set it with tapline-center event set"
        case SnapshotExportError.schemaMissing: "run tapline-center migrate"
        default: nil
        }
    }
}

/// Ends a daemon whose database has the wrong schema, or whose user lacks a right that it will need later. An unavailable database does not end it, because the daemon can
/// start before the database.
struct SchemaGuard: Sendable {
    let url: String

    /// Checks the schema and the rights. Logs an unavailable database with the cause.
    ///
    /// - Parameter isRepeated: whether an earlier check has logged it.
    /// - Returns: `false` if the database is unavailable.
    /// - Throws: `ProgramError` for a wrong schema or missing rights; `PostgresError` if a retry cannot help.
    func check(isRepeated: Bool = false) throws -> Bool {
        do {
            let connection = try PostgresConnection(url: url, applicationName: "tapline-center")
            try Migrator(connection).requireCurrent()
            try RoleGrants(connection).require(.center)
            return true
        } catch let error as PostgresError {
            guard error.isRetriable else { throw Center.explained(error) }
            // `service()` repeats the check.
            if !isRepeated { Log("center").warning("database unavailable, waiting for it", [.error: "\(error)"]) }
            return false
        } catch { throw Center.explained(error) }
    }

    /// Checks as soon as the database is available.
    func service() -> Service {
        .thread("schema") { stop in
            var backoff = Backoff()
            while !stop.wait(ms: backoff.nextDelayMs()) {
                if try check(isRepeated: true) { break }
            }
            stop.wait(ms: -1)
        }
    }
}
