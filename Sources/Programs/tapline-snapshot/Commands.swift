import CLI
import Minisign
import SnapshotExport
import Snapshots

/// The commands of tapline-snapshot: settings in, parts out.
enum Commands {
    enum Output: String, CaseIterable { case text, json }

    private static let trustKeys = Option(
        "trust-key", "KEY", "a minisign public key, the base64 line or a .pub file", kind: .repeated)
    static let output = Option("output", "FORMAT", "text or json", default: "text")

    static let keygen = Command(
        "keygen", "writes PREFIX.key, which signs, and PREFIX.pub, which scanners trust",
        options: [
            Option("out", "PREFIX", "where to, without .key and .pub", required: true),
            Option(
                "password", "PASSWORD", "encrypts PREFIX.key; without one, its mode alone protects it", kind: .secret),
            .toggle("force", "overwrites: every scanner then needs the new key"),
        ]
    ) { arguments in
        let (prefix, password) = (try arguments.required("out"), arguments["password"])
        let force = arguments.has("force")
        return {
            let line = try KeyGeneration.write(prefix: prefix, password: password, force: force)
            print("\(prefix).key  keep it secret, and a copy in a safe")
            print("\(prefix).pub  for scanners: --trust-key \(line)")
        }
    }

    static let export = Command(
        "export", "makes a snapshot of the registration list and publishes it in a folder",
        options: [
            Option("database-url", "URL", "postgresql://USER@HOST:PORT/DATABASE", kind: .secret, required: true),
            Option("out", "DIR", "the folder that scanners download from", required: true),
            Option("signing-key", "FILE", "the .key file of keygen, or of minisign -G", required: true),
            Option("password", "PASSWORD", "of the signing key, where it is encrypted", kind: .secret),
            Option("event", "NAME", "the event's name, where the database has none"),
            Option(
                "expires-in", "TIME", "how long scanners may install it, as 48h or 3d",
                default: "\(SnapshotExporter.defaultExpiresInS / 3_600)h"),
            Option("keep", "N", "versions that stay in the folder", default: String(SnapshotExporter.defaultKeep)),
            Option(
                "deltas", "N",
                "older versions that a delta leads from, \(SnapshotExporter.deltasRange.upperBound) at most",
                default: String(SnapshotExporter.defaultDeltas)),
            .toggle("allow-shrink", "publishes also a list with under 90 % of the tags, or active tags, of before"),
            output,
        ]
    ) { arguments in
        let key = try MinisignSecretKey(
            path: try arguments.required("signing-key"), password: arguments["password"])
        var settings = SnapshotExporter.Settings(folder: try arguments.required("out"), key: key)
        settings.event = arguments["event"]
        settings.expiresInS = try seconds(arguments.required("expires-in"))
        settings.keep = try arguments.int("keep", 1...10_000) ?? SnapshotExporter.defaultKeep
        settings.deltas = try arguments.int("deltas", SnapshotExporter.deltasRange) ?? SnapshotExporter.defaultDeltas
        settings.allowShrink = arguments.has("allow-shrink")
        let progress = ProgressLine()
        if let progress { settings.progress = { progress.show($0.description) } }
        let url = try arguments.required("database-url")
        try SnapshotExporter.validate(databaseURL: url)
        let format = try arguments.choice("output", Output.self) ?? .text
        let export = SnapshotExporter(databaseURL: url, settings)
        return {
            defer { progress?.clear() }
            let manifest = try export.run().manifest
            switch format {
            case .text:
                print(
                    "snapshot \(manifest.version) of \(manifest.event): \(manifest.attendees) tags, \(manifest.size) bytes"
                )
            case .json: print(String(decoding: try manifest.json(), as: UTF8.self), terminator: "")
            }
        }
    }

    static let verify = Command(
        "verify", positionals: "DIR", count: 1...1,
        "checks a published folder, or its manifest.json, as a scanner would; exits 1 with the reason if it would not install",
        options: [trustKeys, output]
    ) { arguments in
        let keys = try arguments.all("trust-key").map { try MinisignPublicKey(setting: $0) }
        guard !keys.isEmpty else { throw ProgramError.configuration("--trust-key is needed (see --help)") }
        let format = try arguments.choice("output", Output.self) ?? .text
        let path = arguments.positionals[0]
        return {
            let report = try PublicationCheck(path: path, keys: keys)
            switch format {
            case .text: print(report.text)
            case .json: print(String(decoding: try report.manifest.json(), as: UTF8.self), terminator: "")
            }
        }
    }

    static let inspect = Command(
        "inspect", positionals: "FILE|DIR", count: 1...1,
        "shows what a snapshot holds, a file or the newest of a folder; verifies no signature",
        options: [output]
    ) { arguments in
        let format = try arguments.choice("output", Output.self) ?? .text
        let path = arguments.positionals[0]
        return {
            let summary = try SnapshotSummary(path: NewestSnapshot.file(path))
            print(format == .json ? summary.json : summary.text)
        }
    }

    static let diff = Command(
        "diff", positionals: "OLD NEW", count: 2...2,
        "shows what changed between two snapshots: files, or folders, which stand for the newest in them",
        options: [Option("limit", "N", "rows to show for each table and kind of change", default: "20"), output]
    ) { arguments in
        let format = try arguments.choice("output", Output.self) ?? .text
        let limit = try arguments.int("limit", 0...1_000_000_000) ?? 20
        let (old, new) = (arguments.positionals[0], arguments.positionals[1])
        return {
            let diff = try SnapshotDiff(from: old, to: new, limit: limit)
            print(format == .json ? diff.json : diff.text)
        }
    }

    /// `48h`, `90m`, `3d`: seconds.
    static func seconds(_ text: String) throws -> Int64 {
        let units: [Character: Int64] = ["m": 60, "h": 3_600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()),
            (1...366 * 86_400 / unit).contains(count)
        else {
            throw ProgramError.configuration(
                "--expires-in \(text): a time like 90m, 48h or 3d is needed, a year at most")
        }
        return count * unit
    }
}
