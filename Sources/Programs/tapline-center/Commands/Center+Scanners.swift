import CLI
import Registry
import ScanModel

extension Center {
    static let scanners = [scannerAdd, scannerRemove, scannerList]

    private static let scannerAdd = Command(
        "scanner add", positionals: "ID", count: 1...1, "enrol a scanner, or enable it again",
        options: [
            databaseURL, Option("gate", "NAME", "default gate; created if missing (with --zone)"),
            Option("zone", "NAME", "zone on the inner side of that gate; created if missing"),
            makeZones("create them although an existing name is nearly the same"),
        ]
    ) { arguments in
        let (url, id) = (try database(arguments), try ScannerID(argument: arguments.positionals[0]))
        let (gate, zone, makes) = (arguments["gate"], arguments["zone"], arguments.has("make-zones"))
        guard zone == nil || gate != nil else { throw ProgramError.usage("--zone needs --gate, which leads into it") }
        return {
            let done = try withRegistry(url) {
                try $0.addScanner(id, gate: gate, zone: zone, allowsSimilar: makes)
            }
            print(
                "\(change(of: id, done)); "
                    + (done.waiting == 0
                        ? "it has no quarantined batches"
                        : "quarantined batches: \(done.waiting) (tapline-center quarantine replay --scanner \(id))")
            )
        }
    }

    /// A wrong ID moves another scanner. So the text tells what the command has changed.
    private static func change(of id: ScannerID, _ done: RegistryStore.Enrolled) -> String {
        func name(_ gate: String?) -> String { gate.map { "'\($0)'" } ?? "none" }
        guard let former = done.former else { return "scanner \(id) is enrolled, gate \(name(done.gate))" }
        var changes: [String] = []
        if former.gate != done.gate { changes.append("gate \(name(former.gate)) -> \(name(done.gate))") }
        if !former.isEnabled { changes.append("enabled again") }
        return "scanner \(id) was enrolled before: " + (changes.isEmpty ? "unchanged" : changes.joined(separator: ", "))
    }

    private static let scannerRemove = Command(
        "scanner remove", positionals: "ID", count: 1...1,
        "disable a scanner; deletes it if it never sent a batch", options: [databaseURL]
    ) { arguments in
        let (url, id) = (try database(arguments), try ScannerID(argument: arguments.positionals[0]))
        return {
            switch try withRegistry(url, { try $0.removeScanner(id) }) {
            case .deleted: print("scanner \(id) is removed")
            case .disabled: print("scanner \(id) is disabled: its journals stay, its new batches are quarantined")
            }
        }
    }

    private static let scannerList = list(
        "scanner list", "list the scanners with their state",
        """
        SELECT scanner_id AS id, h.enabled, gate, condition, silent, last_received_at, h.backlog, h.snapshot_version,
            gaps, h.stored, quarantined, alarms
        FROM tapline.scanner_health h ORDER BY scanner_id
        """)
}
