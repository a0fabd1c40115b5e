import CLI
import FileSystem
import GateController

@main
struct GateProgram {
    static func main() async {
        await Program(
            "tapline-gate", "decides at a lane from local data, and journals each tap before it reports the verdict",
            commands: [run, admit, mode, assign, status, recover]
        ).main()
    }

    private static let status = Command(
        "status", "show the state of a data folder; exits with 1 and a line `alarm` for each fault",
        options: [
            .dataFolder, .enrolment,
            Option("scanner", "ID", "identity whose scans are counted (default that of the last gate run)"), .output,
        ]
    ) { arguments in
        let folder = try arguments.required("data")
        let scanner = try arguments.scanner()
        let format = try arguments.outputFormat()
        return {
            guard Files.exists(folder) else { throw ProgramError.missingFolder("data", folder) }
            let status = GateStatus(folder: folder, scanner: scanner)
            print(format == .json ? try status.json() : status.text())
            if !status.faults.isEmpty { throw ProgramError.alarms(status.faults) }
        }
    }
}
