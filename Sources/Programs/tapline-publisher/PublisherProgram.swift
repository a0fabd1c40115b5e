import BrokerOptions
import CLI
import DataFolder
import FileSystem
import HTTPClient
import Minisign
import Runtime
import ScanModel
import ScanUpload
import SnapshotDownload
import Snapshots

@main
struct PublisherProgram {
    static func main() async {
        await Program(
            "tapline-publisher", "uploads the scans of a scanner to the command center, and downloads snapshots",
            commands: [run, fetch, export, ship, resend, status] + enrolment
        ).main()
    }

    private static let center: [Option] = [
        .enrolment,
        Option(
            "center-url", "URL",
            "source of snapshots, https://CENTER:PORT; all are queried, and the newest snapshot of any is installed",
            kind: .repeated),
        Option(
            "trust-key", "KEY", "trusted signing key of snapshots: a minisign public key or a .pub file",
            kind: .repeated),
        Option("center-ca-file", "FILE", "certificate authorities for https, PEM (default those of the system)"),
        Option(
            "center-token", "TEXT", "token of this scanner for the center, sent to each --center-url and nowhere else",
            kind: .secret),
        .toggle("insecure-http", "permit to send the token over plain http to other machines"),
    ]

    private static let run = Command(
        "run", "run the publisher: upload new scans and install new snapshots, until SIGTERM",
        options: [
            .dataFolder, .scanner, .brokers,
        ] + center + [
            Option("batch-scans", "N", "maximum number of scans in a batch, 50 to 4000", default: "500"),
            Option(
                "batch-age-ms", "MS", "maximum time that a scan waits for a fuller batch, in milliseconds, 0 to 60000",
                default: "1000"),
            Option(
                "snapshot-every-s", "S", "interval between queries for a new snapshot, in seconds, 1 to 86400",
                default: "30"),
            Option(
                "metrics-file", "FILE",
                "file for node-exporter's textfile collector, rewritten every 15 s; its name ends with .prom"),
        ]
    ) { arguments in
        let folder = try arguments.required("data")
        var settings = try namingOptions {
            try Upload.Settings(
                folder: folder, scanner: arguments.requiredScanner(), urls: arguments.all("amqp-url"),
                security: arguments.amqpSecurity())
        }
        settings.limits.batchScans = try arguments.int("batch-scans", 50...4_000) ?? 500
        settings.limits.ageMs = Int64(try arguments.int("batch-age-ms", 0...60_000) ?? 1_000)
        let download = arguments.has("center-url") ? try downloadSettings(arguments) : nil
        if download == nil {
            Log("publisher", [.scanner: settings.scanner]).warning(
                "no --center-url: this device will get no list over the network, nor revocations")
        }
        let metricsFile = try metricsFile(arguments)
        return { [settings] in
            try Files.makeFolder(folder)
            let status = PublisherStatus(folder: folder, scanner: settings.scanner.text)
            var services = [
                Service.thread("upload", stackBytes: Upload.stackBytes) { stop in
                    try Upload(settings, status).run(stop)
                }
            ]
            if let download {
                services.append(.thread("download") { stop in Download(download, status).run(stop) })
            }
            if let metricsFile {
                let file = MetricsFile(
                    path: metricsFile, folder: folder, scanner: settings.scanner, status: status)
                services.append(file.service())
            }
            try await ServiceGroup(services).run()
        }
    }

    /// Returns the path of the metrics file, of which the collector must read the name.
    private static func metricsFile(_ arguments: Arguments) throws -> String? {
        guard let path = arguments["metrics-file"] else { return nil }
        guard path.hasSuffix(MetricsFile.ending) else {
            throw ProgramError.configuration(
                "--metrics-file \(path): node-exporter reads only files whose names end with \(MetricsFile.ending)")
        }
        return path
    }

    private static let fetch = Command(
        "fetch", "install the newest snapshot once; succeeds too if it is already installed",
        options: [.dataFolder, Option("scanner", "ID", "accepted as for `run`; a download does not depend on it")]
            + center
            + [
                Option("from", "DIR", "folder with manifest.json and its files, instead of a center"),
                .toggle(
                    "other-key", "install a snapshot of another event key; the gate then needs that key and a restart"),
            ]
    ) { arguments in
        _ = try arguments.scanner()
        let from = arguments["from"]
        var settings = try downloadSettings(arguments)
        settings.refusesOtherKey = !arguments.has("other-key")
        guard from != nil || !settings.centerURLs.isEmpty else {
            throw ProgramError.configuration("--center-url or --from is needed")
        }
        return { [settings] in
            let outcome = try await NamedThread.run("fetch") {
                let download = Download(settings)
                do { return try from.map(download.install(from:)) ?? download.fetch() } catch let error as DownloadError
                    where error.isOfOtherKey
                {
                    throw ProgramError(
                        ExitCode(for: error), "\(error) (--other-key if the event has a new key, else ask the center)")
                }
            }
            switch outcome {
            case .installed(let version): TextOutput.line("installed \(version)")
            case .newest(let version): TextOutput.line("newest \(version)")
            case .waiting(let version, let ms): TextOutput.line("\(version) in \(ms) ms")
            case .older(let offered, let highest):
                throw ProgramError.failed(
                    "rejected (not-newer): version \(offered) is older than \(highest), which was installed here")
            }
        }
    }

    private static let status = Command.scannerStatus(
        "show the scans to upload and the connections", defaultScanner: "the publisher"
    ) { folder, scanner in
        let report = StatusReport(folder: folder, scanner: scanner)
        return (report.json, report.lines(), report.faults)
    }

    /// Returns the token for the center, which no other machine may read.
    private static func token(_ arguments: Arguments, for urls: [String]) throws -> String? {
        guard let token = arguments["center-token"] else { return nil }
        guard (1...512).contains(token.utf8.count), token.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw ProgramError.configuration("--center-token: 1 to 512 visible ASCII characters are needed")
        }
        if let url = urls.first(where: { !HTTPAuthority.isProtected($0) }), !arguments.has("insecure-http") {
            throw ProgramError.configuration(
                "--center-url \(url): plain http would show the token to the network: use https (--insecure-http "
                    + "permits it)")
        }
        return token
    }

    private static func downloadSettings(_ arguments: Arguments) throws -> Download.Settings {
        let keys = try arguments.all("trust-key").map { try MinisignPublicKey(setting: $0) }
        guard !keys.isEmpty else {
            throw ProgramError.configuration("--trust-key is needed: only signed snapshots are installed")
        }
        var settings = Download.Settings(
            folder: try arguments.required("data"), centerURLs: arguments.all("center-url"), keys: keys)
        for url in settings.centerURLs where !["http://", "https://"].contains(where: url.hasPrefix) {
            throw ProgramError.configuration("--center-url \(url): http:// or https:// is needed")
        }
        // It would be in the log, in the status and in heartbeats.
        for url in settings.centerURLs where SecretText.isSecret(url) {
            throw ProgramError.configuration(
                "--center-url \(SecretText.redacted(url)): a password in the URL is not supported")
        }
        settings.intervalMs = 1_000 * (try arguments.int("snapshot-every-s", 1...86_400) ?? 30)
        settings.authorityFile = try arguments.existingFile("center-ca-file")
        settings.token = try token(arguments, for: settings.centerURLs)
        return settings
    }
}
