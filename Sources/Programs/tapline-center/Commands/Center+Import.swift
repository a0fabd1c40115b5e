import CLI
import FileSystem
import Postgres
import RegistrationLists
import Registry
import ScanModel

extension Center {
    private enum Format: String, CaseIterable { case csv, pretix, eventbrite }

    /// Maximum duration of a statement, in milliseconds: a list of a million rows on a slow disk.
    private static let statementTimeoutMs = 1_800_000

    static let importList = Command(
        "import", positionals: "[FILE ...]", count: 0...100_000,
        "import a registration list in one transaction; - is standard input",
        options: [
            databaseURL, .eventKeyFile, .output,
            Option("format", "csv|pretix|eventbrite", "format of the files", default: "csv"),
            Option(
                "passes", "FILE", "CSV file of passes with their access, imported first; can be given without a list"),
            Option(
                "uid-format", "FORMAT", "notation of UIDs: hex, hex-reversed, decimal, decimal-reversed",
                default: "hex"),
            Option(
                "uid-bytes", "N[,N...]",
                "permitted lengths of UIDs, in bytes; a decimal UID has the first length that its digits fit in",
                default: "4,7,10"),
            makeZones("create zones that the list names and the registry does not have"),
            .toggle("dry-run", "report the result and roll it back"),
            .toggle(
                "void-missing",
                "void active attendees with an external_ref that are not in the list, until they are listed again"),
            .toggle("replace-tags", "mark the other tags of listed attendees as lost"),
            .toggle(
                "allow-shrink",
                "permit the two options above to deactivate over \(ImportOptions.shrinkLimitPercent) % of attendees or tags"
            ),
        ],
        details: """
            csv: columns name; uid, sun, code or tag_id; external_ref; category; zones or pass; valid_from;
                 valid_until; status (docs/operating/registration.md)
            pretix: orders, positions and items of the pretix API, in any number of files
            eventbrite: the attendee report of Eventbrite
            """
    ) { arguments in
        let url = try database(arguments)
        let json = try arguments.outputFormat() == .json
        var options = ImportOptions()
        options.isDryRun = arguments.has("dry-run")
        options.voidMissing = arguments.has("void-missing")
        options.replaceTags = arguments.has("replace-tags")
        options.allowShrink = arguments.has("allow-shrink")
        options.makeZones = arguments.has("make-zones")
        options.keyFingerprint = try arguments.eventKeyFingerprint()
        let (sources, passes) = (try sources(of: arguments), arguments["passes"])
        return { [options] in
            let line = ProgressLine()
            let done = try withRegistry(url, statementTimeoutMs: statementTimeoutMs) { registry, _ in
                defer { line?.clear() }
                let passes = try passes.map { path in
                    try naming(path) { try registry.withTimeExamples { try PassCSV(path) } }
                }
                let list = try sources?.open(registry.codeCase())
                var done = try naming(sources?.name ?? "") {
                    try registry.import(list, passes: passes, options) { line?.show($0.description) }
                }
                if let warning = done.uids.decimalWarning, let index = done.warnings.firstIndex(of: warning) {
                    done.warnings[index] += " (--uid-format decimal)"
                }
                return done
            }
            if json { TextOutput.json(try JSONOutput.line(done)) } else { TextOutput.lines(done.lines) }
        }
    }

    /// The list to import. It is opened when the work begins.
    private struct Sources: Sendable {
        let name: String
        /// Receives the event's rule for codes.
        let open: @Sendable (CodeCase) throws -> any RegistrationSource
    }

    /// - Returns: `nil` if only passes are imported.
    private static func sources(of arguments: Arguments) throws -> Sources? {
        let paths = arguments.positionals
        let format = try arguments.choice("format", Format.self) ?? .csv
        guard let path = paths.first else {
            guard arguments.has("passes") else { throw ProgramError.usage("a FILE or --passes FILE is required") }
            for flag in ["void-missing", "replace-tags"] where arguments.has(flag) {
                throw ProgramError.usage("--\(flag) needs a FILE")
            }
            return nil
        }
        guard format == .pretix || paths.count == 1 else {
            throw ProgramError.usage("one FILE is required, not \(paths.count) (only pretix can have several)")
        }
        switch format {
        case .csv:
            var identities = RegistrationCSV.Identities(
                key: arguments.has("event-key-file") ? try arguments.eventKey() : nil)
            identities.format = try arguments.choice("uid-format", UIDFormat.self) ?? .hex
            identities.uidLengths = try uidLengths(arguments, identities.format)
            return Sources(name: path) { [identities] codeCase in
                var identities = identities
                identities.key?.codeCase = codeCase
                return RegistrationCSV(path, identities)
            }
        case .pretix:
            let key = try arguments.eventKey()
            return Sources(name: paths.joined(separator: ", ")) { try PretixExport(paths, key: key.with($0)) }
        case .eventbrite:
            let key = try arguments.eventKey()
            return Sources(name: path) { EventbriteCSV(path, key: key.with($0)) }
        }
    }

    /// - Throws: `ProgramError.configuration` for a length that a UID in this format cannot have.
    static func uidLengths(_ arguments: Arguments, _ format: UIDFormat) throws -> Set<Int> {
        guard let text = arguments["uid-bytes"] else { return ChipUID.lengths }
        let allowed =
            switch format {
            case .hex, .hexReversed: UIDFormat.lengths
            case .decimal, .decimalReversed: UIDFormat.numberLengths
            }
        let lengths = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0.filter { $0 != " " }) }
        let given = Set(lengths.compactMap(\.self))
        // The default also permits a length that is written in hexadecimal only.
        guard given == ChipUID.lengths || lengths.allSatisfy({ $0.map(allowed.contains) ?? false }) else {
            throw ProgramError.configuration(
                "--uid-bytes \(text): lengths from \(allowed.lowerBound) to \(allowed.upperBound) are required, "
                    + "separated by commas")
        }
        return given
    }

    /// Adds the file and the number of invalid rows to a rejected list.
    ///
    /// Errors about missing passes or a missing event key also name the flag that corrects them.
    private static func naming<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let rejected as ImportRejected {
            let rows = rejected.count == 1 ? "1 invalid row" : "\(rejected.count) invalid rows"
            var hint = rejected.has(.passes) ? "\nImport the missing passes with --passes FILE" : ""
            if rejected.has(.uidLengths) {
                hint += "\nIf the chips really have such UIDs, permit their lengths with --uid-bytes N,N"
            }
            for (format, words) in [
                (ListFormat.eventbrite, "The attendee report of Eventbrite is imported with --format eventbrite"),
                (.pretix, "Files of pretix are imported with --format pretix"),
                (.passes, "A list of passes is imported with --passes FILE"),
                (.people, "A registration list is imported as FILE, without --passes and --format"),
            ] where rejected.has(.otherFormat(format)) { hint += "\n\(words)" }
            throw ProgramError.failed("\(path): \(rows), nothing was stored\n\(rejected)\(hint)")
        } catch RegistrationListError.eventKeyMissing {
            throw ProgramError.configuration(
                "\(path): \(RegistrationListError.eventKeyMissing) (use --event-key-file FILE)")
        } catch let error as RegistrationListError where error.isWrongUIDs {
            throw ProgramError.failed("\(path): \(error) (--uid-format sets the format)")
        }
    }

    static let exportList = Command(
        "export", "write the registration list as CSV, in the format of import",
        options: [
            databaseURL,
            Option("out", "FILE", "file to write, with mode 600 because it contains names", required: true),
            Option("passes", "FILE", "also write the named passes with their access to this file"),
        ]
    ) { arguments in
        let (url, path, passes) = (try database(arguments), try arguments.required("out"), arguments["passes"])
        return {
            try withRegistry(url, statementTimeoutMs: statementTimeoutMs) { registry, _ in
                var done = RegistryStore.Exported()
                try Files.writeAtomically(to: path, mode: 0o600) { done = try registry.exportList(to: $0) }
                TextOutput.line(
                    "\(path): \(done.rows) attendees"
                        + (done.leftOut > 0 ? "; \(done.leftOut) without reference and tag left out" : ""))
                if let passes {
                    var count = 0
                    try Files.writeAtomically(to: passes) { count = try registry.exportPasses(to: $0) }
                    TextOutput.line("\(passes): \(count) passes")
                }
                guard let refusal = done.firstRefusal else { return }
                throw ProgramError.failed(
                    "\(path): written, but an import of it refuses \(done.refusedTexts) texts, first "
                        + refusal)
            }
        }
    }
}
