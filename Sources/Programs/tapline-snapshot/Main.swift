import CLI

@main
struct Main {
    static func main() async {
        await Program(
            "tapline-snapshot", "make, check and show the snapshots that gates decide from",
            commands: [
                Commands.keygen, Commands.export, Commands.verify, Commands.inspect, Commands.diff, Commands.explain,
            ]
        ).main()
    }
}
