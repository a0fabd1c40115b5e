import AMQP
import CLI
import Crypto
import Enrolment
import FileSystem
import Minisign
import ScanModel
import Snapshots

/// Options of the commands that make or delete the credentials of scanners.
enum EnrolmentOptions {
    /// Where the users of the broker are managed.
    static let managementOptions: [Option] = [
        Option(
            "rabbitmq-management-url", "URL",
            "management API of the broker, which makes and deletes the users of scanners: https://BROKER:15671, or http to "
                + "this machine"),
        Option(
            "rabbitmq-management-credential-file", "FILE",
            "file of mode 600 with USER:PASSWORD of a broker user with the tag administrator"),
        Option(
            "rabbitmq-management-ca-file", "FILE",
            "certificate authorities for https, PEM (default those of the system)"),
        Option("rabbitmq-vhost", "NAME", "virtual host of the scans", default: "/"),
        Option(
            "amqp-url", "URL", "broker URLs of the center, as for run: their users are no scanners and are not changed",
            kind: .secrets),
        .toggle(
            "insecure-management", "permit plain http to another machine, which reveals the password of the broker"),
    ]

    /// What the enrolment files of all scanners have in common.
    static let templateOptions: [Option] = [
        Option(
            "scanner-amqp-url", "URL",
            "broker as the scanners reach it, amqps://HOST[:PORT][/VHOST]; the user is put in", kind: .repeated),
        Option(
            "scanner-center-url", "URL", "center as the scanners reach it, the source of snapshots", kind: .repeated),
        Option("trust-key", "KEY", "signing key of snapshots: a minisign public key or a .pub file", kind: .repeated),
        Option("site-ca-file", "FILE", "certificate authorities of broker and center, PEM, for the devices"),
        .eventKeyFile,
        .toggle("insecure-amqp", "permit amqp without TLS to another machine, which reveals the passwords"),
    ]

    /// Maximum size of a file of certificate authorities, in bytes.
    private static let authorityLimitBytes = 131_072

    /// Returns the settings of the management API; `nil` without a URL.
    ///
    /// - Throws: `ProgramError` (configuration).
    static func management(_ arguments: Arguments) throws -> BrokerManagement.Settings? {
        guard let url = arguments["rabbitmq-management-url"] else { return nil }
        let path = try arguments.required("rabbitmq-management-credential-file")
        func invalid(_ reason: String) -> ProgramError {
            .configuration("--rabbitmq-management-credential-file \(path): \(reason)")
        }
        guard Files.exists(path) else { throw invalid("no such file") }
        if let problem = Files.exposure(path) { throw invalid("the file holds a password, and \(problem)") }
        let text: String
        do { text = try Files.readText(path, limit: 4_096) } catch { throw invalid("\(error)") }
        let line = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        let centers = try centerUsers(arguments)
        do throws(BrokerManagementError) {
            var settings = try BrokerManagement.Settings(
                url: url, credential: line, virtualHost: arguments["rabbitmq-vhost"] ?? "/",
                allowsPlain: arguments.has("insecure-management"))
            settings.authorityFile = arguments["rabbitmq-management-ca-file"]
            settings.centerUsers = centers
            return settings
        } catch {
            throw ProgramError.configuration("--rabbitmq-management-url: \(error) (--insecure-management permits http)")
        }
    }

    /// Returns the users of the center's broker URLs. Nothing connects to these.
    private static func centerUsers(_ arguments: Arguments) throws -> Set<String> {
        let security = AMQPSecurity(allowsInsecure: true)
        do throws(AMQPError) {
            var users: Set<String> = []
            for url in arguments.all("amqp-url") { users.insert(try AMQPAddress(url: url, security: security).user) }
            return users
        } catch { throw ProgramError.configuration("--amqp-url: \(error)") }
    }

    /// Returns what all enrolment files have in common; `nil` without a broker.
    ///
    /// - Throws: `ProgramError` (configuration).
    static func template(_ arguments: Arguments) throws -> EnrolmentTemplate? {
        guard arguments.has("scanner-amqp-url") else { return nil }
        var template: EnrolmentTemplate
        do throws(EnrolmentTemplate.Invalid) {
            template = try EnrolmentTemplate(
                brokers: arguments.all("scanner-amqp-url"), allowsPlain: arguments.has("insecure-amqp"))
        } catch {
            throw ProgramError.configuration("--scanner-amqp-url: \(error) (--insecure-amqp permits amqp)")
        }
        template.centers = arguments.all("scanner-center-url")
        for url in template.centers where !["http://", "https://"].contains(where: url.hasPrefix) {
            throw ProgramError.configuration("--scanner-center-url \(url): http:// or https:// is needed")
        }
        template.trustKeys = try arguments.all("trust-key").map { try MinisignPublicKey(setting: $0).base64 }
        if let path = arguments["site-ca-file"] {
            do { template.authorities = try Files.readText(path, limit: authorityLimitBytes) } catch {
                throw ProgramError.configuration("--site-ca-file: \(error)")
            }
            guard template.authorities?.contains("-----BEGIN CERTIFICATE-----") == true else {
                throw ProgramError.configuration("--site-ca-file \(path): no certificate in PEM")
            }
        }
        if arguments.has("event-key-file") {
            // Checks form and mode.
            _ = try arguments.eventKey()
            template.eventKey = try Files.read(arguments.required("event-key-file"), limit: EventKey.length)
        }
        return template
    }

    /// Returns the template.
    ///
    /// - Throws: `ProgramError` (configuration) without one.
    static func requiredTemplate(_ arguments: Arguments) throws -> EnrolmentTemplate {
        guard let template = try EnrolmentOptions.template(arguments) else {
            throw ProgramError.configuration(
                "--scanner-amqp-url URL is required: the enrolment file holds the address of the broker")
        }
        return template
    }
}
