import CLI
import FileSystem
import GateController
import ScanModel

@main
struct Main {
    static func main() async {
        await Program(
            "tapline-gate", "decides taps at a lane, offline, and journals each one before it shows the verdict",
            commands: [run, admit, mode, assign, status, recover]
        ).main()
    }

    static let data = Option("data", "DIR", "the scanner's data folder: journals and snapshots", required: true)
    static let output = Option("output", "text|json", "text to read, or JSON for programs", default: "text")

    private static let status = Command(
        "status", "show the state of a data folder; the gate may run",
        options: [
            data, Option.enrolment,
            Option("scanner", "ID", "the scanner whose scans are counted (default that of the last gate)"), output,
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
