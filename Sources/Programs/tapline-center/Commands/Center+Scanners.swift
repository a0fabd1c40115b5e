import CLI
import Enrolment
import Postgres
import RegistrationLists
import Registry
import ScanModel
import TextRules

extension Center {
    static let scanners = [scannerAdd, scannerRemove, scannerEnrol, scannerRotate, scannerList]

    private static let scannerAdd = Command(
        "scanner add", positionals: "[ID]", count: 0...1, "enrol a scanner, or enable it again",
        options: [
            databaseURL, Option("gate", "NAME", "default gate; created if missing (with --zone)"),
            Option("zone", "NAME", "zone on the inner side of that gate; created if missing"),
            makeZones("create them although an existing name is nearly the same"),
            Option("list", "FILE", "CSV list with the columns id, gate and zone, instead of one ID"),
        ] + Provision.options
    ) { arguments in
        let url = try database(arguments)
        let id = try arguments.positionals.first.map { try ScannerID(argument: $0) }
        let (gate, zone, makes) = (arguments["gate"], arguments["zone"], arguments.has("make-zones"))
        let list = arguments["list"]
        guard (id == nil) != (list == nil) else { throw ProgramError.usage("either an ID or --list FILE is required") }
        guard zone == nil || gate != nil else { throw ProgramError.usage("--zone needs --gate, which leads into it") }
        guard list == nil || gate == nil else {
            throw ProgramError.usage("the list names the gates: --gate needs an ID")
        }
        let provision = try Provision(arguments)
        return {
            let wanted: [RegistryStore.NewScanner] =
                if let id { [.init(id: id, gate: gate, zone: zone)] } else { try newScanners(in: list ?? "") }
            try withRegistry(url) { registry, connection in
                let done = try registry.addScanners(wanted, allowsSimilar: makes)
                TextOutput.line(id.map { added($0, done[0]) } ?? summary(of: done))
                let ids = wanted.map(\.id)
                let new = Set(zip(ids, done).filter { $1.former?.isEnabled != true }.map { $0.0 })
                let store = EnrolmentStore(connection)
                TextOutput.lines(try store.changingBrokerUsers { try provision.provide(ids, new: new, store) })
            }
        }
    }

    private static func newScanners(in path: String) throws -> [RegistryStore.NewScanner] {
        do {
            return try ScannerCSV(path).entries.map { .init(id: $0.id, gate: $0.gate, zone: $0.zone) }
        } catch let rejected as ImportRejected {
            throw ProgramError.failed("\(path): nothing was stored\n\(rejected)")
        }
    }

    private static func summary(of done: [RegistryStore.Enrolled]) -> String {
        let new = done.count { $0.former == nil }
        return
            "\(done.count) scanners: \(new) enrolled, \(done.count - new) were enrolled before; quarantined batches: "
            + "\(done.reduce(0) { $0 + $1.waiting })"
    }

    private static func added(_ id: ScannerID, _ done: RegistryStore.Enrolled) -> String {
        "\(change(of: id, done)); "
            + (done.waiting == 0
                ? "it has no quarantined batches"
                : "quarantined batches: \(done.waiting) (tapline-center quarantine replay --scanner \(id))")
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
        "disable a scanner; deletes it if it never sent a batch",
        options: [databaseURL] + EnrolmentOptions.managementOptions,
        details: """
            Disables it and deletes its download credential first. Then, with --rabbitmq-management-url,
            deletes its broker user, whose connections end at once. If the broker fails, or its settings
            are wrong, the command fails and can be repeated. Batches that still arrive are quarantined.
            """
    ) { arguments in
        let (url, id) = (try database(arguments), try ScannerID(argument: arguments.positionals[0]))
        // A wrong credential of the broker must not keep the scanner enabled.
        let management = Result { try EnrolmentOptions.management(arguments) }
        if arguments.isCheck { _ = try management.get() }
        return {
            try withRegistry(url) { registry, connection in
                let store = EnrolmentStore(connection)
                // The database first, whatever the broker does. A typing error changes neither.
                guard try store.disable(id) else { throw RegistryError.scannerMissing(id) }
                let hadUser = try deleteUser(of: id, management, store)
                switch try registry.removeScanner(id) {
                case .deleted: TextOutput.line("scanner \(id) is removed")
                case .disabled:
                    TextOutput.line("scanner \(id) is disabled: its journals stay, its new batches are quarantined")
                }
                switch hadUser {
                case true?: TextOutput.line("its broker user is deleted, its connections are closed")
                case false?: TextOutput.line("it had no broker user")
                case nil:
                    TextOutput.line("its broker user was not touched; on a broker node: rabbitmqctl delete_user \(id)")
                }
            }
        }
    }

    /// Deletes the broker user of a scanner that is disabled.
    ///
    /// - Returns: whether there was one; `nil` without a management API.
    /// - Throws: `ProgramError` that says what is done and what is not.
    private static func deleteUser(
        of id: ScannerID, _ management: Result<BrokerManagement.Settings?, any Error>, _ store: EnrolmentStore
    ) throws -> Bool? {
        do {
            return try store.changingBrokerUsers {
                // An enrolment that ran at the same time has stored credentials.
                _ = try store.disable(id)
                return try management.get().map { try BrokerManagement($0).delete(id) }
            }
        } catch {
            let cause = explained(error)
            let isForeign = if case BrokerManagementError.foreignUser = error { true } else { false }
            throw ProgramError(
                ExitCode(for: cause),
                "scanner \(id) is disabled, and its credentials are deleted. Its broker user stays: \(cause)"
                    + (isForeign ? "" : "; repeat the command, or on a broker node: rabbitmqctl delete_user \(id)"))
        }
    }

    private static let scannerList = Command(
        "scanner list", "list the scanners with their state",
        options: [databaseURL, .output] + EnrolmentOptions.managementOptions + [relayUser],
        details: """
            With --rabbitmq-management-url and text output, users of the broker follow that no scanner
            has. Users with a tag administrator, monitoring or management are left out, and so are those
            of --relay-user and --amqp-url.
            """
    ) { arguments in
        let url = try database(arguments)
        let json = try arguments.outputFormat() == .json
        let management = try EnrolmentOptions.management(arguments)
        let relays = Set(arguments.all("relay-user"))
        return {
            try withRegistry(url) { _, connection in
                let listing = try Listing(connection, scannerSQL, json: json)
                if json { return TextOutput.json(listing.json) }
                TextOutput.lines(listing.table)
                for name in try strangers(management, connection, relays) {
                    TextOutput.line("broker user \(name): no scanner has it")
                }
            }
        }
    }

    /// Returns the users of the broker that no enabled scanner has (`BrokerManagement.strangers`).
    static func strangers(
        _ management: BrokerManagement.Settings?, _ connection: PostgresConnection, _ relays: Set<String>
    ) throws -> [String] {
        guard let management else { return [] }
        return try BrokerManagement(management).strangers(
            scanners: try EnrolmentStore(connection).enabledScanners(), relays: relays)
    }

    private static let scannerSQL = """
        SELECT scanner_id AS id, h.enabled, gate, condition, silent, last_received_at, h.backlog, h.snapshot_version,
            gaps, h.stored, quarantined, alarms
        FROM tapline.scanner_health h ORDER BY scanner_id
        """
}
