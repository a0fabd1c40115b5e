import CLI
import Minisign
import Runtime
import Schema
import SnapshotExport
import Snapshots

/// The commands of `tapline-snapshot`.
enum Commands {
    private static let trustKeys = Option(
        "trust-key", "KEY", "trusted signing key: a minisign public key or a .pub file", kind: .repeated)

    private static let expectedKey = Option(
        "event-key-file", "FILE", "file with the event key; exits with 78 if the snapshot was made with another key")

    /// Compares an event key with that of a snapshot.
    ///
    /// - Parameter fingerprint: `EventKey.fingerprint`; `nil`: nothing is compared.
    /// - Throws: `ProgramError` (configuration) for another key.
    static func requireKey(_ fingerprint: String?, of snapshot: Snapshot) throws {
        try requireKey(fingerprint, snapshot.keyFingerprint, version: snapshot.version)
    }

    private static func requireKey(_ fingerprint: String?, _ wanted: String?, version: Int64) throws {
        guard let fingerprint else { return }
        guard let wanted else {
            return Log("snapshot").warning(
                "event key not compared: the snapshot states no fingerprint", [.version: version])
        }
        guard fingerprint != wanted else { return }
        throw ProgramError.configuration(
            "--event-key-file: the key has fingerprint \(fingerprint), but snapshot \(version) was made with the key of "
                + "fingerprint \(wanted): use the event key file of the center")
    }

    static let keygen = Command(
        "keygen", "create the key pair PREFIX.key, which signs, and PREFIX.pub, which scanners trust",
        options: [
            Option("out", "PREFIX", "path of the files, without .key and .pub", required: true),
            Option(
                "password", "PASSWORD",
                "password that encrypts PREFIX.key (default not encrypted, protected by its mode only)", kind: .secret),
            .toggle("force", "overwrite existing files; every scanner then needs the new key"),
        ]
    ) { arguments in
        let (prefix, password) = (try arguments.required("out"), arguments["password"])
        let force = arguments.has("force")
        return {
            let line = try KeyGeneration.write(prefix: prefix, password: password, force: force)
            TextOutput.line("\(prefix).key  keep it secret, and keep a copy in a safe")
            TextOutput.line("\(prefix).pub  for scanners: --trust-key \(line)")
        }
    }

    static let export = Command(
        "export", "create a snapshot of the registration list and publish it in a folder",
        options: [
            .database,
            Option("out", "DIR", "folder from which scanners download", required: true),
            Option("signing-key", "FILE", "secret key file of keygen or of minisign -G", required: true),
            Option("password", "PASSWORD", "password of an encrypted signing key", kind: .secret),
            Option("event", "NAME", "name of the event, if the database has none"),
            Option(
                "expires-in", "TIME", "validity of the snapshot, for example 90m, 48h or 3d",
                default: "\(SnapshotExporter.defaultExpiresInS / 3_600)h"),
            Option("keep", "N", "number of versions kept in the folder", default: String(SnapshotExporter.defaultKeep)),
            Option(
                "deltas", "N",
                "number of older versions with a delta to this one, at most \(SnapshotExporter.deltasRange.upperBound)",
                default: String(SnapshotExporter.defaultDeltas)),
            .toggle(
                "publish", "count DIR as the folder that scanners download from (default: the folder of the centers)"),
            .toggle("allow-shrink", "permit under 90 % of the previous snapshot's tags or active tags"),
            .output,
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
        if arguments.has("publish") { settings.isPublished = true }
        let progress = ProgressLine()
        if let progress { settings.progress = { progress.show($0.description) } }
        let url = try arguments.required("database-url")
        do {
            try SnapshotExporter.validate(databaseURL: url, allowsInsecure: arguments.has("insecure-database"))
        } catch let error as SnapshotExportError {
            throw ProgramError(ExitCode(for: error), error.description + (hint(error) ?? ""))
        }
        let format = try arguments.outputFormat()
        let export = SnapshotExporter(databaseURL: url, settings)
        return {
            defer { progress?.clear() }
            let outcome: SnapshotExporter.Outcome
            do {
                try export.requireGrants()
                outcome = try export.run()
            } catch let rejection as ExportRejection where rejection != .empty {
                throw ProgramError.failed("\(rejection) (use --allow-shrink)")
            } catch let error as GrantsMissing {
                throw ProgramError(
                    ExitCode(for: error),
                    "\(error): run as its owner, GRANT \(error.role.rawValue) TO \"\(error.user)\", and "
                        + "`tapline-center migrate` if some are missing then (docs/operating/database.md)")
            } catch let error as SnapshotExportError {
                throw ProgramError(ExitCode(for: error), error.description + (hint(error) ?? ""))
            }
            let manifest = outcome.manifest
            switch format {
            case .text:
                TextOutput.line(
                    "snapshot \(manifest.version) of \(manifest.event): \(manifest.attendees) tags, "
                        + "\(manifest.size) bytes"
                )
                if let folders = outcome.publishedElsewhere {
                    TextOutput.line(
                        "written to \(try arguments.required("out")), not published: scanners download from "
                            + folders.joined(separator: ", ") + " (--publish if this folder replaces it)")
                }
            case .json: TextOutput.json(String(decoding: try manifest.json(), as: UTF8.self), terminator: "")
            }
        }
    }

    private static func hint(_ error: SnapshotExportError) -> String? {
        switch error {
        case .eventNameMissing: ": set it with tapline-center event set (or use --event NAME)"
        case .schemaMissing: ": run tapline-center migrate"
        case .databaseInsecure: " (--insecure-database permits it)"
        case .folderOfOtherEvent: " (--out DIR, or tapline-center event set --id UUID)"
        case .folderOfExports, .copyIsNewer: " (are --from and --out exchanged?)"
        case .eventNameDiffers: " (omit --event, or use the name in the database)"
        default: nil
        }
    }

    static let stick = Command(
        "stick", "copy the published snapshot to a USB stick, and verify the copy as a scanner does",
        options: [
            Option("from", "DIR", "published folder, for example that of the center", required: true),
            Option("out", "DIR", "folder on the stick; it is created if missing", required: true), trustKeys,
        ],
        details: """
            The stick holds the manifest, its signature and all files that the manifest names. It is read with
            `tapline-publisher fetch --from DIR`.
            """
    ) { arguments in
        let keys = try arguments.all("trust-key").map { try MinisignPublicKey(setting: $0) }
        guard !keys.isEmpty else { throw ProgramError.configuration("--trust-key is required (see --help)") }
        let (source, target) = (try arguments.required("from"), try arguments.required("out"))
        return {
            let copy: SnapshotStick
            do {
                copy = try SnapshotStick(from: source, to: target, keys: keys)
            } catch let error as SnapshotExportError {
                throw ProgramError(ExitCode(for: error), error.description + (hint(error) ?? ""))
            }
            TextOutput.line(
                "snapshot \(copy.manifest.version) of \(copy.manifest.event): \(copy.files) files, \(copy.bytes) bytes "
                    + "in \(target), verified")
        }
    }

    static let verify = Command(
        "verify", positionals: "DIR", count: 1...1,
        "verify a published folder, or its manifest.json, as a scanner does; exits with 1 if it is rejected",
        options: [trustKeys, expectedKey, .output]
    ) { arguments in
        let fingerprint = try arguments.eventKeyFingerprint()
        let keys = try arguments.all("trust-key").map { try MinisignPublicKey(setting: $0) }
        guard !keys.isEmpty else { throw ProgramError.configuration("--trust-key is required (see --help)") }
        let format = try arguments.outputFormat()
        let path = arguments.positionals[0]
        return {
            let report = try PublicationCheck(path: path, keys: keys)
            try requireKey(fingerprint, report.manifest.key, version: report.manifest.version)
            switch format {
            case .text: TextOutput.lines(report.lines)
            case .json:
                TextOutput.json(String(decoding: try report.manifest.json(), as: UTF8.self), terminator: "")
            }
        }
    }

    static let inspect = Command(
        "inspect", positionals: "FILE|DIR", count: 1...1,
        "show the contents of a snapshot file, or of the newest in a folder; verifies no signature",
        options: [expectedKey, .output]
    ) { arguments in
        let format = try arguments.outputFormat()
        let path = arguments.positionals[0]
        let fingerprint = try arguments.eventKeyFingerprint()
        return {
            let file = try NewestSnapshot.file(path)
            try requireKey(fingerprint, of: try Snapshot(path: file))
            let summary = try SnapshotSummary(path: file)
            TextOutput.result(format) {
                summary.json
            } lines: {
                summary.lines
            }
        }
    }

    static let diff = Command(
        "diff", positionals: "OLD NEW", count: 2...2,
        "show the changes between two snapshots; a folder stands for its newest snapshot",
        options: [
            Option("limit", "N", "maximum number of rows for each table and kind of change", default: "20"), .output,
        ]
    ) { arguments in
        let format = try arguments.outputFormat()
        let limit = try arguments.int("limit", 0...1_000_000_000) ?? 20
        let (old, new) = (arguments.positionals[0], arguments.positionals[1])
        return {
            let diff = try SnapshotDiff(from: old, to: new, limit: limit)
            try TextOutput.result(format, json: diff.json) { diff.lines }
        }
    }

    /// Parses a period such as `90m`, `48h` or `3d`.
    ///
    /// - Returns: seconds.
    /// - Throws: `ProgramError` (configuration).
    static func seconds(_ text: String) throws -> Int64 {
        let units: [Character: Int64] = ["m": 60, "h": 3_600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()),
            (1...366 * 86_400 / unit).contains(count)
        else {
            throw ProgramError.configuration(
                "--expires-in \(text): not a period such as 90m, 48h or 3d, of at most a year")
        }
        return count * unit
    }
}
