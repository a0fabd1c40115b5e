import Benchmarks
import BrokerOptions
import CLI
import FleetSimulation
import Runtime
import ScanUpload
import Synchronization

@main
struct FleetProgram {
    static func main() async {
        await Program(
            "tapline-fleet",
            "simulates a fleet of scanners with the code of journal and publisher, emulates readers, runs benchmarks",
            commands: [run, reader, benchSnapshot, benchJournal, benchDecide, benchTap, benchTags, benchPublish]
        ).main()
    }

    private static let run = Command(
        "run", "simulate taps, publish them, wait for the last confirm and print a JSON summary",
        options: [
            Option("scanners", "N", "number of scanners, at most \(FleetSettings.scannersLimit)", default: "10"),
            Option("scans", "N", "number of scans of all scanners together (default 10000, or the whole trace)"),
            Option("attendees", "N", "number of generated attendees", default: "1000"),
            Option("from-snapshot", "FILE", "instead: use the attendees, passes and gates of a snapshot"),
            Option(
                "trace", "FILE",
                "instead: replay a CSV file with the columns scanner (number) or gate (name), tag (ID) or uid (hex), at, "
                    + "direction"),
            Option(
                "event-key-file", "FILE",
                "file with the event key, 32 raw bytes, for a trace with UIDs; compared with that of a snapshot"),
            Option(
                "amqp-url", "URL", "broker, amqps://, or amqp:// on this machine; several are tried in turn",
                kind: .secrets, companions: Option.brokerSecurity),
            Option(
                "enrolment-folder", "DIR",
                "instead: folder with the enrolment file ID.env of each scanner (scanner add --enrolment-out); each "
                    + "publishes as its own broker user"),
            Option(
                "rate", "N",
                "scans per second of all scanners together (default: fill the journals first, then publish)"),
            Option(
                "clocks-behind", "N",
                "number of scanners whose clock starts in 1970: their scans are flagged as under a clock that is not "
                    + "trusted",
                default: "0"),
            Option("seed", "N", "seed of the random numbers", default: "1"),
            Option("prefix", "NAME", "prefix of the scanners' identities: NAME-0001 and so on", default: "fleet"),
            Option(
                "data", "DIR", "folder of the scanners' data folders (default a temporary folder, removed at the end)"),
            .toggle(
                "hold",
                "print 'filled' when the journals are filled, and wait for a line on standard input before publishing"),
            Option("batch-scans", "N", "maximum number of scans in a batch", default: "500"),
            Option("timeout", "S", "time limit for the last confirm after the last tap, in seconds", default: "600"),
        ]
    ) { arguments in
        let settings = try namingOptions { try FleetProgram.settings(arguments) }
        return {
            let result = Mutex<FleetSummary?>(nil)
            try await ServiceGroup(
                [
                    .thread("fleet") { stop in
                        let summary = try namingOptions { try Fleet(settings).run(stop) }
                        result.withLock { $0 = summary }
                    }
                ], shutdownMs: 30_000
            ).run()
            guard let summary = result.withLock({ $0 }) else {
                throw ProgramError.failed("stopped before the end of the run")
            }
            TextOutput.json(try JSONOutput.line(summary))
            guard summary.complete else { throw ProgramError.failed("not every scan was confirmed (see the summary)") }
        }
    }

    private static func settings(_ arguments: Arguments) throws -> FleetSettings {
        let scans = try arguments.int("scans", 0...1_000_000_000)
        let source: FleetSettings.Source
        switch (arguments["trace"], arguments["from-snapshot"]) {
        case (.some, .some): throw ProgramError.usage("--trace and --from-snapshot exclude each other")
        case (.some(let path), nil):
            source = .trace(path: path, key: arguments.has("event-key-file") ? try arguments.eventKey() : nil)
        case (nil, .some(let path)):
            source = .snapshot(path: path, keyFingerprint: try arguments.eventKeyFingerprint())
        case (nil, nil): source = .synthetic(attendees: try arguments.int("attendees", 1...100_000_000) ?? 1_000)
        }
        var settings = FleetSettings(
            scanners: try arguments.int("scanners", 1...FleetSettings.scannersLimit) ?? 10,
            scans: scans ?? (arguments["trace"] == nil ? 10_000 : nil), source: source, urls: arguments.all("amqp-url"))
        settings.security = try arguments.amqpSecurity()
        settings.seed = UInt64(try arguments.int("seed", 0...Int.max) ?? 1)
        settings.rate = try arguments.int("rate", 1...1_000_000)
        settings.scannersBehind = try arguments.int("clocks-behind", 0...FleetSettings.scannersLimit) ?? 0
        settings.prefix = arguments["prefix"] ?? "fleet"
        settings.folder = arguments["data"]
        settings.isHeld = arguments.has("hold")
        if settings.isHeld, settings.rate != nil { throw ProgramError.usage("--hold and --rate exclude each other") }
        settings.batchScans = try arguments.int("batch-scans", 1...4_000) ?? 500
        settings.timeoutS = try arguments.int("timeout", 1...86_400) ?? 600
        // Invalid settings fail here, before a thread starts.
        _ = try settings.scanner(settings.scanners - 1)
        if let folder = arguments["enrolment-folder"] {
            settings.ownURLs = try (0..<settings.scanners).map { try brokers("\(folder)/\(settings.scanner($0)).env") }
        } else if settings.urls.isEmpty {
            throw ProgramError.configuration("--amqp-url or --enrolment-folder is required (see --help)")
        }
        for number in settings.ownURLs?.indices ?? 0..<1 { _ = try settings.upload(number) }
        return settings
    }

    /// Reads the URLs of the brokers from the enrolment file of a scanner.
    private static func brokers(_ path: String) throws -> [String] {
        guard let urls = try EnvironmentFile.read(path)["TAPLINE_AMQP_URL"] else {
            throw ProgramError.configuration("--enrolment-folder: \(path) has no TAPLINE_AMQP_URL")
        }
        return urls.split(whereSeparator: \.isWhitespace).map(String.init)
    }

    /// Runs `body`, and adds to an error the option that corrects it.
    static func namingOptions<Result>(_ body: () throws -> Result) throws -> Result {
        func named(_ option: String, _ error: any Error) -> ProgramError {
            ProgramError(ExitCode(for: error), "\(option): \(error)")
        }
        do { return try body() } catch let error as FleetError {
            switch error {
            case .invalidPrefix: throw named("--prefix", error)
            case .unusableSnapshot: throw named("--from-snapshot", error)
            case .eventKeyMissing, .keyDiffers: throw named("--event-key-file", error)
            case .invalidTrace: throw named("--trace", error)
            case .openFileLimit: throw error
            }
        } catch let error as UploadError {
            switch error {
            case .invalidBrokerURL: throw named("--amqp-url", error)
            case .insecureBroker: throw named("--amqp-url (--insecure-amqp permits it)", error)
            default: throw error
            }
        } catch let error as BenchmarkError {
            guard case .scansNotDivisible = error else { throw error }
            throw named("--scans", error)
        }
    }
}
