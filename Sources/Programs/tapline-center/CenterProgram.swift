import CLI

@main
struct CenterProgram {
    static func main() async {
        await Program(
            "tapline-center", "the command center: stores scans, manages the registry, publishes snapshots",
            commands: Center.daemon + Center.topology + Center.registration + Center.places + Center.scanners
                + [Center.voidScans] + Center.quarantine + Center.deadLetters + Center.offlineDelivery
                + Center.attendees
                + Center.scanExport + Center.reports + Center.tracking + Center.authority + Center.tokens
                + Center.status
                + Center.doctor
        ).main()
    }
}
