import CLI
import Crypto
import Enrolment
import EnrolmentExchange
import FileSystem
import Glibc
import LinuxSystem
import Postgres
import QRCodes
import Registry
import ScanModel

extension Center {
    /// Validity of a one-time token, in seconds.
    private static let tokenValidS = 3_600

    static let scannerEnrol = Command(
        "scanner enrol", positionals: "ID", count: 1...1,
        "make new credentials for a scanner, and a one-time token with which its device fetches them",
        options: [
            databaseURL,
            Option(
                "http-certificate-file", "FILE",
                "certificate of the HTTPS server that the first --scanner-center-url names; the token pins its key",
                required: true),
            .toggle(
                "replace", "replace credentials that the scanner has: the device with the former ones is cut off"),
        ] + EnrolmentOptions.managementOptions + EnrolmentOptions.templateOptions,
        details: """
            The token is valid for an hour and for one device. It is printed as text and as a QR code.
            The device reads it from standard input:
              tapline-publisher enrol --out /etc/tapline/scanner.env
            """
    ) { arguments in
        let (url, id) = (try database(arguments), try ScannerID(argument: arguments.positionals[0]))
        let management = try EnrolmentOptions.management(arguments)
        let template = try EnrolmentOptions.requiredTemplate(arguments)
        let token = try newToken(template, try arguments.required("http-certificate-file"))
        let (replaces, virtualHost) = (arguments.has("replace"), arguments["rabbitmq-vhost"] ?? "/")
        return {
            try withRegistry(url) { _, connection in
                let store = EnrolmentStore(connection)
                let issued = try store.changingBrokerUsers {
                    guard try store.enabledScanners().contains(id.text) else { throw RegistryError.scannerMissing(id) }
                    guard try replaces || store.enrolled(among: [id]).isEmpty else {
                        throw ProgramError.failed(
                            "scanner \(id) has credentials: --replace makes new ones and cuts off the device that has "
                                + "the former ones; scanner rotate changes them without a gap")
                    }
                    let issued = try template.issue(id, isForToken: true)
                    if let management {
                        let broker = BrokerManagement(management)
                        // A new password alone keeps the connections of the former device.
                        try replaces ? broker.replace(issued.account) : broker.store([issued.account])
                    }
                    try store.store(token, issued, validS: tokenValidS)
                    return issued
                }
                if management == nil {
                    if replaces {
                        TextOutput.line(
                            "the former device is connected until this, on a broker node: rabbitmqctl delete_user \(id)"
                        )
                    }
                    TextOutput.line(
                        "broker user: save the next line as FILE, on a broker node: rabbitmqctl import_definitions FILE"
                    )
                    TextOutput.json(try BrokerDefinitions([issued.account], virtualHost: virtualHost).json())
                }
                TextOutput.verbatim(try QRCode(token.text).terminalText(hasColours: isatty(1) == 1), terminator: "")
                TextOutput.line(token.text)
                TextOutput.line("valid for an hour and for one device: tapline-publisher enrol --out FILE reads it")
                guard let since = try store.openVoidSpan(of: id) else { return }
                TextOutput.line(
                    "its scans that arrive from \(since) on count nowhere; those of the new device count from TIME on "
                        + "with tapline-center scanner void-scans \(id) --undo --since TIME")
            }
        }
    }

    private static func newToken(_ template: EnrolmentTemplate, _ path: String) throws -> EnrolmentToken {
        guard let center = template.centers.first, center.lowercased().hasPrefix("https://") else {
            throw ProgramError.configuration(
                "--scanner-center-url https://HOST:PORT is required: the device fetches its enrolment file there")
        }
        let pin: [UInt8]
        do { pin = try CertificateKey.fingerprint(pem: try Files.read(path, limit: 131_072)) } catch {
            throw ProgramError.configuration("--http-certificate-file \(path): \(error)")
        }
        let address = center.dropFirst("https://".count).prefix { $0 != "/" }
        guard let token = EnrolmentToken(center: String(address), pinnedKey: pin) else {
            throw ProgramError.configuration("--scanner-center-url \(center): HOST:PORT of at most 96 bytes is needed")
        }
        return token
    }

    static let scannerRotate = Command(
        "scanner rotate", positionals: "ID", count: 1...1,
        "replace the credentials of a scanner without a gap, while its device works",
        options: [
            databaseURL, Option("wait-s", "S", "time to wait for the device, in seconds, 0 to 86400", default: "3600"),
        ] + EnrolmentOptions.managementOptions + EnrolmentOptions.templateOptions,
        details: """
            The device fetches the new credentials with `tapline-publisher renew`, which a timer runs. The
            former password ends only when the device has shown that it has the new one. If the wait ends
            before, nothing has changed: repeat the command, which continues.
            """
    ) { arguments in
        let (url, id) = (try database(arguments), try ScannerID(argument: arguments.positionals[0]))
        guard let management = try EnrolmentOptions.management(arguments) else {
            throw ProgramError.configuration("--rabbitmq-management-url is required: the broker gets the new password")
        }
        let template = try EnrolmentOptions.requiredTemplate(arguments)
        let waitMs = 1_000 * Int64(try arguments.int("wait-s", 0...86_400) ?? 0)
        return {
            try withRegistry(url) { _, connection in
                let store = EnrolmentStore(connection)
                if try store.rotation(of: id) == nil { try startRotation(of: id, template, store) }
                let deadline = SystemClock.monotonicMs() + waitMs
                while let rotation = try store.rotation(of: id), !rotation.isConfirmed {
                    guard SystemClock.monotonicMs() < deadline else {
                        throw ProgramError.failed(
                            "the device has not fetched the new credentials (tapline-publisher renew): the former ones "
                                + "stay in force; repeat the command to continue")
                    }
                    _ = Poll.wait([], timeoutMs: 500)
                }
                try store.changingBrokerUsers {
                    guard let rotation = try store.rotation(of: id), rotation.isConfirmed,
                        try store.enabledScanners().contains(id.text)
                    else { throw ProgramError.failed("the rotation was ended by another command") }
                    try BrokerManagement(management).store([BrokerAccount(id, passwordHash: rotation.passwordHash)])
                    try store.finishRotation(of: id)
                }
                TextOutput.line(
                    "scanner \(id) has new credentials, the former password is refused; restart its publisher")
            }
        }
    }

    private static func startRotation(
        of id: ScannerID, _ template: EnrolmentTemplate, _ store: EnrolmentStore
    ) throws {
        guard try store.enabledScanners().contains(id.text) else { throw RegistryError.scannerMissing(id) }
        guard let key = try store.deviceKey(of: id) else {
            throw ProgramError.failed(
                "scanner \(id) has no enrolment of which the device has shown a key: use scanner enrol --replace")
        }
        try store.startRotation(try template.issue(id, deviceKey: key), deviceKey: key)
        TextOutput.line("new credentials of scanner \(id) wait for its device (tapline-publisher renew)")
    }
}
