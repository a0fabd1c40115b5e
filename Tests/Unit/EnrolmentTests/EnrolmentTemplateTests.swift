import Crypto
import EnrolmentExchange
import FileSystem
import ScanModel
import TestSupport
import Testing

@testable import Enrolment

@Suite struct EnrolmentTemplateTests {
    private let id: ScannerID

    init() throws { id = try #require(ScannerID("gate-1")) }

    private func template() throws -> EnrolmentTemplate {
        var template = try EnrolmentTemplate(brokers: ["amqps://b1.example/event", "amqps://old:user@b2.example:5671"])
        template.centers = ["https://center.example:8443"]
        template.trustKeys = ["RWQ"]
        template.eventKey = [UInt8](repeating: 0xAB, count: 32)
        template.authorities = "-----BEGIN CERTIFICATE-----\n"
        return template
    }

    @Test func fileHasAllSettingsAndOthersGetHashes() throws {
        let issued = try template().issue(id)
        let settings = issued.content.settings
        let urls = (settings["AMQP_URL"] ?? "").split(separator: " ").map(String.init)
        let password = try #require(
            urls.first?.split(separator: "@").first?.split(separator: ":").last.map(String.init))
        #expect(
            urls == ["amqps://gate-1:\(password)@b1.example/event", "amqps://gate-1:\(password)@b2.example:5671"])
        let token = try #require(settings["CENTER_TOKEN"])
        #expect(issued.downloadHash == SHA256.hash(Array(token.utf8)))
        let salt = Array(try #require(Base64.decode(issued.passwordHash)).prefix(4))
        #expect(issued.passwordHash == BrokerPassword.hash(password, salt: salt))
        let key = try #require(settings["DEVICE_KEY"].flatMap { Hex.decode($0) })
        #expect(try issued.deviceKey == X25519.publicKey(of: key))
        #expect(settings["EVENT_KEY"] == String(repeating: "ab", count: 32) && settings["SCANNER"] == "gate-1")
        #expect(settings["CENTER_URL"] == "https://center.example:8443" && settings["TRUST_KEY"] == "RWQ")
        #expect(settings["INSECURE_AMQP"] == nil)
    }

    @Test func eachIssueHasOtherSecrets() throws {
        let template = try template()
        let (first, second) = (try template.issue(id), try template.issue(id))
        for key in ["AMQP_URL", "CENTER_TOKEN", "DEVICE_KEY"] {
            #expect(first.content.settings[key] != second.content.settings[key])
        }
    }

    @Test func deviceWithTokenMakesItsOwnKey() throws {
        let issued = try template().issue(id, isForToken: true)
        #expect(issued.deviceKey == nil && issued.content.settings["DEVICE_KEY"] == nil)
    }

    @Test(arguments: [
        "amqp://broker.example", "http://broker.example", "broker.example", "amqps://", "amqps:///vhost",
        "amqps://broker.example?cacertfile=x", "amqps://bro ker", "amqp://127.evil.example",
    ])
    func brokerThatScannersCannotUseIsRefused(url: String) {
        #expect(throws: EnrolmentTemplate.Invalid.self) { try EnrolmentTemplate(brokers: [url]) }
    }

    @Test func plainBrokerNeedsPermissionExceptOnThisMachine() throws {
        for url in ["amqp://localhost", "amqp://127.0.0.1:5672/x", "amqp://[::1]:5672"] {
            _ = try EnrolmentTemplate(brokers: [url])
        }
        let permitted = try EnrolmentTemplate(brokers: ["amqp://broker.example"], allowsPlain: true)
        #expect(try permitted.issue(id).content.settings["INSECURE_AMQP"] == "1")
    }

    @Test func folderHoldsPrivateFilesForTheDevices() throws {
        let folder = TemporaryFolder("enrolment")
        let issued = try template().issue(id)
        try EnrolmentFolder(folder.file("out"), deviceFolder: "/etc/tapline").write([issued])
        #expect(try Files.list(folder.file("out")) == ["ca.pem", "gate-1.env"])
        #expect(Files.status(folder.file("out/gate-1.env"))?.mode == 0o600)
        #expect(Files.status(folder.file("out"))?.mode == 0o700)
        let text = try Files.readText(folder.file("out/gate-1.env"))
        #expect(text == issued.content.fileText(authorityPath: "/etc/tapline/ca.pem"))
        #expect(try Files.readText(folder.file("out/ca.pem")) == "-----BEGIN CERTIFICATE-----\n")
    }
}
