import CLI
import FileSystem
import GateController
import ScanModel

@main
struct Main {
    static func main() async {
        await Program(
            "tapline-gate", "decides at the lane, from the disk alone, and logs each tap before it tells the verdict",
            commands: [run, admit, mode, assign, status, recover]
        ).main()
    }

    static let data = Option("data", "DIR", "the scanner's data folder: journals and snapshots", required: true)
    static let output = Option("output", "text|json", "for people or for programs", default: "text")

    private static let status = Command(
        "status", "what the data folder holds, beside a running gate or without one",
        options: [
            data, Option.enrolment,
            Option("scanner", "ID", "whose scans are counted (default the gate's that runs or ran last)"), output,
        ]
    ) { arguments in
        let folder = try arguments.required("data")
        let scanner = try arguments["scanner"].map(scanner)
        let format = try arguments.choice("output", VerdictLine.Format.self) ?? .text
        return {
            guard Files.exists(folder) else { throw ProgramError.failed("--data \(folder): there is no such folder") }
            let status = GateStatus(folder: folder, scanner: scanner)
            print(format == .json ? try status.json() : status.text())
        }
    }

    static func scanner(_ text: String) throws -> ScannerID {
        guard let id = ScannerID(text) else {
            throw ProgramError.configuration("--scanner \(text): [a-z0-9][a-z0-9-]{0,62} is needed")
        }
        return id
    }
}
