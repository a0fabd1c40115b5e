import ErrorModel
import ScanModel
import Testing

@testable import Enrolment

@Suite struct BrokerAccountTests {
    private let id: ScannerID

    init() throws { id = try #require(ScannerID("gate-1")) }

    /// The example of https://www.rabbitmq.com/docs/passwords#computing-password-hash.
    @Test func passwordHashIsThatOfTheBroker() {
        #expect(
            BrokerPassword.hash("test12", salt: [0x90, 0x8D, 0xC6, 0x0A])
                == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR")
        #expect(BrokerPassword.hash("test12") != BrokerPassword.hash("test12"))
    }

    @Test func passwordsDifferAndNeedNoEncodingInURL() {
        let passwords = Set((0..<100).map { _ in BrokerPassword.random() })
        #expect(passwords.count == 100)
        #expect(passwords.allSatisfy { $0.utf8.count == 48 && $0.allSatisfy(\.isHexDigit) })
    }

    @Test func definitionsPermitOwnRoutingKeyOnly() throws {
        let accounts = [BrokerAccount(id, passwordHash: "aGFzaA==")]
        let json = try BrokerDefinitions(accounts, virtualHost: "/event").json()
        #expect(
            json == #"{"permissions":[{"configure":"^$","read":"^$","user":"gate-1","vhost":"/event","#
                + #""write":"^tapline\\.scans$"}],"#
                + #""topic_permissions":[{"exchange":"tapline.scans","read":"^$","user":"gate-1","vhost":"/event","#
                + #""write":"^scan\\.{username}$"}],"#
                + #""users":[{"hashing_algorithm":"rabbit_password_hashing_sha256","#
                + #""limits":{"max-channels":8,"max-connections":8},"name":"gate-1","password_hash":"aGFzaA==","tags":""}]}"#
        )
    }

    @Test func userWithoutNewPasswordIsNotWritten() throws {
        let json = try BrokerDefinitions([BrokerAccount(id, passwordHash: nil)], virtualHost: "/").json()
        #expect(json.contains(#""users":[]"#) && json.contains(#""user":"gate-1""#))
    }

    @Test(arguments: [
        "http://127.0.0.1:15672", "http://localhost:15672/", "http://[::1]:15672", "https://broker.example:15671",
        "HTTPS://broker.example",
    ])
    func managementURLIsAccepted(url: String) throws {
        let settings = try BrokerManagement.Settings(url: url, credential: "admin:pass:word")
        #expect(settings.user == "admin" && !settings.url.hasSuffix("/"))
    }

    @Test(arguments: [
        "http://broker.example:15672", "http://127.evil.example", "http://localhost.evil.example", "ftp://localhost",
        "localhost:15672", "https://", "https://admin:secret@broker.example",
    ])
    func managementURLThatRevealsThePasswordIsRefused(url: String) {
        let error = #expect(throws: BrokerManagementError.self) {
            try BrokerManagement.Settings(url: url, credential: "admin:password")
        }
        #expect(error?.category == .configuration)
        #expect(error?.description.contains("secret") == false)
    }

    @Test(arguments: ["", "admin", ":password", "admin:pass\nword"])
    func credentialOfOtherFormIsRefused(credential: String) {
        #expect(throws: BrokerManagementError.self) {
            try BrokerManagement.Settings(url: "http://localhost", credential: credential)
        }
    }

    private let users = [
        BrokerManagement.User(name: "admin", hasTags: true), .init(name: "tapline-center", hasTags: false),
        .init(name: "gate-1", hasTags: false), .init(name: "gate-9", hasTags: false),
        .init(name: "runner", hasTags: false), .init(name: "idle", hasTags: false),
    ]
    private let permissions: [BrokerManagement.Permission] = [
        .init(user: "admin", configure: ".*", write: ".*"),
        .init(user: "tapline-center", configure: #"^tapline\."#, write: #"^tapline\."#),
        .init(user: "gate-1", configure: "^$", write: #"^tapline\.scans$"#),
        .init(user: "gate-9", configure: "", write: ".*"),
        .init(user: "runner", configure: "^$", write: #"^tapline\.scans$"#),
        .init(user: "idle", configure: "^$", write: "^$"),
    ]

    @Test func userThatOnlyPublishesAndIsNoScannerIsAStranger() {
        #expect(BrokerManagement.strangers(users, permissions, known: ["gate-1", "runner"]) == ["gate-9"])
        #expect(BrokerManagement.strangers(users, permissions, known: ["gate-1"]) == ["gate-9", "runner"])
    }

    @Test func userOfTheCenterIsNoScanner() {
        #expect(BrokerManagement.foreignUsers(users, permissions) == ["admin", "tapline-center"])
    }
}
