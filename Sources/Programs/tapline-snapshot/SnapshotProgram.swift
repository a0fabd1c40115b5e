import CLI

@main
struct SnapshotProgram {
    static func main() async {
        await Program(
            "tapline-snapshot", "creates, verifies and shows the snapshots from which gates decide",
            commands: [
                Commands.keygen, Commands.export, Commands.stick, Commands.verify, Commands.inspect, Commands.diff,
                Commands.explain,
            ]
        ).main()
    }
}
