import CLI
import FileSystem
import FoundationEssentials
import ScanJournal
import ScanModel

extension Main {
    /// `recover`: extracts the scans of damaged journals.
    static let recover = Command(
        "recover", "extract every readable scan of damaged journals into a folder for `tapline-publisher ship`",
        options: [
            Option("data", "DIR", "the scanner's data folder; the gate may run", required: true),
            Option.enrolment,
            Option("out", "DIR", "the folder of the new journal (default recovered, in the data folder)"),
            Option(
                "scanner", "ID", "the scanner of journals without an entry of it (default that of the others)"),
            Option("output", "text|json", "text to read, or JSON for programs", default: "text"),
        ]
    ) { arguments in
        let folder = try arguments.required("data")
        let out = arguments["out"] ?? Recovery.usualOut(folder)
        let scanner = try arguments["scanner"].map(scanner)
        let isJSON = arguments["output"] == "json"
        return {
            guard Files.exists(folder) else { throw noSuchFolder(folder) }
            let recovery = Recovery(folder: folder, scanner: scanner)
            guard !recovery.sources().isEmpty else {
                throw ProgramError.failed("--data \(folder): no journal in it is damaged")
            }
            let report = try recovery.run(into: out)
            print(isJSON ? try json(report) : text(report, out))
        }
    }

    private static func json(_ report: Recovery.Report) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(report), as: UTF8.self)
    }

    private static func text(_ report: Recovery.Report, _ out: String) -> String {
        var lines = report.files.map { "read       \($0)" }
        lines.append("recovered  \(report.scans) scans of \(report.journals) journals, in \(out)")
        if report.missing > 0 { lines.append("missing    \(report.missing) scans between them could not be read") }
        if report.conflicts > 0 { lines.append("conflicts  \(report.conflicts) scans were found in two versions") }
        if report.orphans > 0 {
            lines.append("orphans    \(report.orphans) scans of unknown journals, in \(out)/orphans.csv")
        }
        lines.append("ship them  tapline-publisher ship --data \(out) --amqp-url ...")
        return lines.joined(separator: "\n")
    }
}
