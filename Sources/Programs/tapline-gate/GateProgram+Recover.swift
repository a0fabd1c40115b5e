import CLI
import DataFolder
import FileSystem
import ScanJournal

extension GateProgram {
    /// `recover`: extracts the scans of damaged journals.
    static let recover = Command(
        "recover", "recover all readable scans of damaged journals into a folder for tapline-publisher ship",
        options: [
            Option("data", "DIR", "data folder of the scanner; a gate may run or not", required: true),
            .enrolment,
            Option("out", "DIR", "folder of the recovered journal (default DIR/recovered, in the data folder)"),
            Option(
                "scanner", "ID", "identity for journals whose own is unreadable (default that of the other journals)"),
            .output,
        ]
    ) { arguments in
        let folder = try arguments.required("data")
        let out = arguments["out"] ?? DataFolderPaths.recovered(folder)
        let scanner = try arguments.scanner()
        let format = try arguments.outputFormat()
        return {
            guard Files.exists(folder) else { throw ProgramError.missingFolder("data", folder) }
            let recovery = Recovery(folder: folder, scanner: scanner)
            guard !recovery.sources().isEmpty else {
                throw ProgramError.failed("--data \(folder): no journal in it is damaged")
            }
            let report = try recovery.run(into: out)
            try TextOutput.result(format) {
                try JSONOutput.line(report)
            } lines: {
                lines(report, out)
            }
            guard report.scans > 0, report.missing == 0, report.orphans == 0 else {
                throw ProgramError.failed(
                    report.scans == 0
                        ? "no scan could be recovered: keep the damaged files and \(out)"
                        : "not all scans could be recovered: ship the others, and keep the damaged files")
            }
        }
    }

    private static func lines(_ report: Recovery.Report, _ out: String) -> [String] {
        var lines = report.files.map { "read       \($0)" }
        lines.append("recovered  \(report.scans) scans of \(report.journals) journals, in \(out)")
        if report.missing > 0 { lines.append("missing    \(report.missing) scans between them could not be read") }
        if report.conflicts > 0 { lines.append("conflicts  \(report.conflicts) scans were found in two versions") }
        if report.orphans > 0 {
            lines.append("orphans    \(report.orphans) scans of unknown journals, in \(out)/orphans.csv")
            lines.append("           they cannot be shipped: their journal is lost; the file has time, tag and verdict")
        }
        if report.scans > 0 { lines.append("ship them  tapline-publisher ship --data \(out) --amqp-url ...") }
        return lines
    }
}
