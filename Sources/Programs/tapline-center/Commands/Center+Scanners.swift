import CLI
import Registry

extension Center {
    static let scanners = [scannerAdd, scannerRemove, scannerList]

    private static let scannerAdd = Command(
        "scanner add", positionals: "ID", count: 1...1, "enrol a scanner, or enable it again",
        options: [
            databaseURL, Option("gate", "NAME", "default gate; created if missing (with --zone)"),
            Option("zone", "NAME", "zone on the inner side of that gate; created if missing"),
        ]
    ) { arguments in
        let (url, id) = (try database(arguments), try scannerID(arguments.positionals[0]))
        let (gate, zone) = (arguments["gate"], arguments["zone"])
        return {
            let waiting = try withRegistry(url) { try $0.addScanner(id, gate: gate, zone: zone) }
            print(
                "scanner \(id) is enrolled; "
                    + (waiting == 0
                        ? "no quarantined batches wait"
                        : "quarantined batches that wait: \(waiting) (tapline-center quarantine replay --scanner \(id))")
            )
        }
    }

    private static let scannerRemove = Command(
        "scanner remove", positionals: "ID", count: 1...1,
        "disable a scanner; deletes it if it never sent a batch", options: [databaseURL]
    ) { arguments in
        let (url, id) = (try database(arguments), try scannerID(arguments.positionals[0]))
        return {
            switch try withRegistry(url, { try $0.removeScanner(id) }) {
            case .deleted: print("scanner \(id) is removed")
            case .disabled: print("scanner \(id) is disabled: its journals stay, its new batches go to quarantine")
            }
        }
    }

    private static let scannerList = list(
        "scanner list", "list the scanners with their state",
        """
        SELECT scanner_id AS id, h.enabled, gate, silent, last_received_at, h.backlog, h.snapshot_version,
            gaps, h.stored, quarantined
        FROM tapline.scanner_health h ORDER BY scanner_id
        """)
}
