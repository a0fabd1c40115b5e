import CLI
import GateController

@main
struct GateProgram {
    static func main() async {
        await Program(
            "tapline-gate", "decides at a lane from local data, and journals each tap before it reports the verdict",
            commands: [run, admit, mode, assign, status, recover]
        ).main()
    }

    private static let status = Command.scannerStatus(
        "show the state of a data folder", defaultScanner: "the last gate run"
    ) { folder, scanner in
        let status = GateStatus(folder: folder, scanner: scanner)
        return (status.json, status.lines(), status.faults)
    }
}
