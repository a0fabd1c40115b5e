import CLI
import FileSystem
import GateController
import ScanModel

@main
struct GateProgram {
    static func main() async {
        await Program(
            "tapline-gate", "decides at a lane from local data, and journals each tap before it reports the verdict",
            commands: [run, admit, mode, assign, status, recover]
        ).main()
    }

    static let data = Option(
        "data", "DIR", "data folder of the scanner, with its journals and snapshots", required: true)
    static let output = Option("output", "text|json", "output format", default: "text")

    private static let status = Command(
        "status", "show the state of a data folder; a gate may run or not",
        options: [
            data, Option.enrolment,
            Option("scanner", "ID", "identity whose scans are counted (default that of the last gate run)"), output,
        ]
    ) { arguments in
        let folder = try arguments.required("data")
        let scanner = try arguments["scanner"].map(scanner)
        let format = try arguments.choice("output", VerdictLine.Format.self) ?? .text
        return {
            guard Files.exists(folder) else { throw noSuchFolder(folder) }
            let status = GateStatus(folder: folder, scanner: scanner)
            print(format == .json ? try status.json() : status.text())
        }
    }

    static func noSuchFolder(_ folder: String) -> ProgramError {
        .failed("--data \(folder): there is no such folder")
    }

    static func scanner(_ text: String) throws -> ScannerID {
        guard let id = ScannerID(text) else {
            throw ProgramError.configuration("--scanner \(text): [a-z0-9][a-z0-9-]{0,62} is needed")
        }
        return id
    }
}
