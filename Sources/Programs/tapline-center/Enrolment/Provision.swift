import CLI
import Crypto
import Enrolment
import FileSystem
import ScanModel

/// Makes the credentials of scanners that were added: users of the broker, and enrolment files.
struct Provision: Sendable {
    /// Where enrolment files are written.
    struct Output: Sendable {
        let folder: String
        let deviceFolder: String
        let template: EnrolmentTemplate
    }

    let management: BrokerManagement.Settings?
    let virtualHost: String
    /// `nil`: no enrolment files are written.
    let output: Output?

    /// - Throws: `ProgramError` (configuration).
    init(_ arguments: Arguments) throws {
        management = try EnrolmentOptions.management(arguments)
        virtualHost = arguments["rabbitmq-vhost"] ?? "/"
        guard let folder = arguments["enrolment-out"] else {
            output = nil
            return
        }
        output = Output(
            folder: folder, deviceFolder: try arguments.required("device-folder"),
            template: try EnrolmentOptions.requiredTemplate(arguments))
    }

    static let options: [Option] =
        EnrolmentOptions.managementOptions + [
            Option(
                "enrolment-out", "DIR",
                "also write an enrolment file for each scanner without credentials, DIR/ID.env; needs --scanner-amqp-url"
            ),
            Option("device-folder", "DIR", "folder on the devices that holds ca.pem", default: "/etc/tapline"),
        ] + EnrolmentOptions.templateOptions

    /// Makes what the scanners lack. Present credentials are kept.
    ///
    /// The order is safe against a crash: the file with the password, the user of the broker, then the row of the
    /// credentials. A repeated command makes what is missing.
    ///
    /// Call it within `EnrolmentStore.changingBrokerUsers`.
    ///
    /// - Parameters:
    ///   - scanners: the scanners.
    ///   - new: those that were not enrolled before, or disabled.
    ///   - store: the credentials in the database.
    /// - Returns: what was done, as lines.
    func provide(_ scanners: [ScannerID], new: Set<ScannerID>, _ store: EnrolmentStore) throws -> [String] {
        let enabled = try store.enabledScanners()
        if let removed = scanners.first(where: { !enabled.contains($0.text) }) {
            throw ProgramError.failed("scanner \(removed) was removed by another command")
        }
        let broker = management.map { BrokerManagement($0) }
        let users = try broker?.users(of: scanners)
        guard let output else {
            guard let broker, let users else { return Self.commands(scanners.filter(new.contains), virtualHost) }
            // The password of a new user is known to no device until the scanner gets its file.
            try broker.store(
                scanners.map { id in
                    let hash = users.contains(id.text) ? nil : BrokerPassword.hash(BrokerPassword.random())
                    return BrokerAccount(id, passwordHash: hash)
                })
            return [Self.users(made: scanners.count { !users.contains($0.text) }, of: scanners.count)]
        }
        let known = try store.enrolled(among: scanners)
        let lacking = scanners.filter { !known.contains($0) || users?.contains($0.text) == false }
        let issued = try lacking.map { try output.template.issue($0) }
        let folder = EnrolmentFolder(output.folder, deviceFolder: output.deviceFolder)
        if !issued.isEmpty { try folder.write(issued) }
        let kept = Set(scanners).subtracting(lacking).sorted().map { BrokerAccount($0, passwordHash: nil) }
        try broker?.store(kept + issued.map(\.account))
        try store.store(issued)
        var lines = ["enrolment files: \(issued.count) in \(output.folder)"]
        if issued.count < scanners.count {
            lines[0] +=
                "; \(scanners.count - issued.count) scanners have credentials already and keep them "
                + "(tapline-center scanner rotate, scanner enrol)"
        }
        if broker == nil { return lines + (try definitions(issued, output.folder)) }
        return lines + [Self.users(made: issued.count, of: scanners.count)]
    }

    private static func users(made: Int, of count: Int) -> String {
        "broker users: \(made) made, \(count - made) existed; each may publish its own scans only"
    }

    /// Writes the definitions to import where no management API is given.
    private func definitions(_ issued: [IssuedEnrolment], _ folder: String) throws -> [String] {
        guard !issued.isEmpty else { return [] }
        let json = try BrokerDefinitions(issued.map(\.account), virtualHost: virtualHost).json()
        let path = "\(folder)/definitions.json"
        try Files.writeAtomically(Array("\(json)\n".utf8), to: path, mode: 0o600)
        let lines = ["broker users, on a broker node: rabbitmqctl import_definitions \(path)"]
        guard issued.count == 1 else { return lines }
        let commands = Self.commands(issued.map(\.scanner), virtualHost)
        return lines + [json, "or, with the password of the enrolment file:"] + commands.dropFirst()
    }

    /// The commands that make the user of one scanner.
    private static func commands(_ scanners: [ScannerID], _ virtualHost: String) -> [String] {
        guard !scanners.isEmpty else { return [] }
        guard scanners.count == 1, let id = scanners.first else {
            return ["broker users: none made without --rabbitmq-management-url or --enrolment-out"]
        }
        return [
            "broker user, unless --rabbitmq-management-url makes it; add_user asks for the password:",
            "  rabbitmqctl add_user \(id)",
            "  rabbitmqctl set_permissions -p '\(virtualHost)' \(id) '\(BrokerAccount.none)' '\(BrokerAccount.write)' "
                + "'\(BrokerAccount.none)'",
            "  rabbitmqctl set_topic_permissions -p '\(virtualHost)' \(id) \(BrokerAccount.exchange) "
                + "'\(BrokerAccount.writeKey)' '\(BrokerAccount.none)'",
            "  rabbitmqctl set_user_limits \(id) '{\"max-connections\": \(BrokerAccount.connectionLimit), "
                + "\"max-channels\": \(BrokerAccount.channelLimit)}'",
        ]
    }
}
