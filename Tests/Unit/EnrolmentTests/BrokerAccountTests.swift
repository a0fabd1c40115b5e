import ErrorModel
import FoundationEssentials
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

    private func users(_ more: [BrokerUsers.Permission] = []) -> BrokerUsers {
        func all(_ user: String) -> BrokerUsers.Permission {
            BrokerUsers.Permission(user: user, vhost: "/", configure: ".*", write: ".*", read: ".*")
        }
        return BrokerUsers(
            users: [
                .init(name: "admin", tags: ["administrator"]), .init(name: "watch", tags: ["monitoring"]),
                .init(name: "tapline-center"), .init(name: "gate-1"), .init(name: "gate-9"), .init(name: "runner"),
                .init(name: "rogue"), .init(name: "tagged", tags: ["x"]), .init(name: "idle"),
            ],
            permissions: [
                all("admin"), all("tapline-center"), .scanner("gate-1", "/"), .scanner("gate-9", "/other"),
                .scanner("runner", "/"), all("rogue"), .scanner("tagged", "/"),
            ] + more,
            topicPermissions: [
                .scanner("gate-1", "/"), .scanner("gate-9", "/other"), .scanner("tagged", "/"),
            ])
    }

    @Test func userThatIsNoScannerIsAStranger() {
        let strangers = ["gate-9", "idle", "rogue", "runner", "tagged"]
        #expect(users().strangers(known: ["gate-1", "tapline-center"]) == strangers)
        #expect(
            users().strangers(known: ["gate-1", "tapline-center", "idle", "rogue"]) == ["gate-9", "runner", "tagged"])
    }

    /// `runner` publishes for several scanners: it has no topic permission.
    @Test func userWithOtherRightsThanAScannerIsForeign() {
        let foreign: Set = ["admin", "watch", "tapline-center", "runner", "rogue", "tagged"]
        #expect(users().foreign(virtualHost: "/") == foreign.union(["gate-9"]))
        #expect(users().foreign(virtualHost: "/other") == foreign.union(["gate-1"]))
        #expect(users([.scanner("gate-1", "/other")]).foreign(virtualHost: "/").contains("gate-1"))
    }

    @Test(arguments: [#"["administrator"]"#, #""administrator""#, #""x,administrator""#])
    func tagsAreReadInBothForms(tags: String) throws {
        let json = #"{"name":"a","tags":\#(tags)}"#
        let user = try JSONDecoder().decode(BrokerUsers.User.self, from: Data(json.utf8))
        #expect(user.tags.contains("administrator"))
        let none = try JSONDecoder().decode(BrokerUsers.User.self, from: Data(#"{"name":"a","tags":""}"#.utf8))
        #expect(none.tags.isEmpty)
    }
}
