import AMQP
import Enrolment
import ErrorModel
import LinuxSystem
import ScanModel
import TestSupport
import Testing

/// The users of scanners at a real broker, by its management API.
@Suite struct BrokerManagementTests {
    private let vhost: TestVhost
    private let management: BrokerManagement
    private let id: ScannerID

    init() throws {
        vhost = try TestVhost()
        management = BrokerManagement(try EnrolmentFixture.management(vhost.name))
        // Users belong to the whole broker, and tests share it.
        id = try #require(ScannerID("user-\(vhost.name)"))
        let connection = try AMQPConnection(try AMQPAddress(url: vhost.url), name: "test")
        try connection.declareExchange("tapline.scans", type: "topic")
        try connection.declareQueue("tapline.scans.0", arguments: ["x-queue-type": "quorum"])
        try connection.bindQueue("tapline.scans.0", exchange: "tapline.scans", routingKey: "scan.#")
    }

    private func connect(_ password: String) throws -> AMQPConnection {
        let base = vhost.url.split(separator: "@")[1]
        return try AMQPConnection(
            try AMQPAddress(url: "amqp://\(id):\(password)@\(base)"), name: "scanner")
    }

    /// Publishes a message, and returns the event that the broker answers with.
    private func answer(
        _ connection: AMQPConnection, _ key: String, exchange: String = "tapline.scans", user: String? = nil
    ) throws -> String {
        try connection.confirmSelect()
        try connection.publish(
            exchange: exchange, routingKey: key, properties: AMQPProperties(userID: user), body: [1])
        var answer = ""
        try eventually("the broker answers", everyMs: 5) {
            for event in try connection.poll() {
                switch event {
                case .confirmed: answer = "confirmed"
                case .channelClosed(let code, _): answer = "\(code)"
                case .connectionClosed(let code, _): answer = "connection \(code)"
                default: break
                }
            }
            return !answer.isEmpty
        }
        return answer
    }

    @Test func scannerPublishesItsOwnScansAndNothingElse() throws {
        let password = BrokerPassword.random()
        try management.store([BrokerAccount(id, passwordHash: BrokerPassword.hash(password))])
        defer { _ = try? management.delete(id) }
        #expect(try answer(connect(password), "scan.\(id)", user: id.text) == "confirmed")
        #expect(try answer(connect(password), "scan.other", user: id.text) == "403")
        #expect(try answer(connect(password), "scan.\(id).more", user: id.text) == "403")
        #expect(try answer(connect(password), "tapline.scans.0", exchange: "") == "403")
        #expect(try answer(connect(password), "scan.\(id)", user: "other") == "406")
        let connection = try connect(password)
        for attempt in [
            { try connection.declareExchange("mine", type: "topic") },
            { try connection.deleteQueue("tapline.scans.0") },
            { try connection.consume("tapline.scans.0", consumerTag: "c") },
            { try connection.bindQueue("tapline.scans.0", exchange: "tapline.scans", routingKey: "x") },
        ] as [() throws -> Void] {
            #expect(throws: AMQPError.self) { try attempt() }
            if !connection.isChannelOpen { try connection.openChannel() }
        }
    }

    @Test func connectionsOfOneScannerAreLimited() throws {
        let password = BrokerPassword.random()
        try management.store([BrokerAccount(id, passwordHash: BrokerPassword.hash(password))])
        defer { _ = try? management.delete(id) }
        var open: [AMQPConnection] = []
        // The broker counts connections a moment after it has accepted them.
        try eventually("the broker refuses a connection", everyMs: 1) {
            do { open.append(try connect(password)) } catch { return true }
            return false
        }
        #expect((BrokerAccount.connectionLimit...BrokerAccount.connectionLimit + 4).contains(open.count))
        open[0].close()
        try eventually("a place is free") { (try? connect(password)) != nil }
    }

    @Test func deletedUserLosesItsConnectionAtOnce() throws {
        let password = BrokerPassword.random()
        try management.store([BrokerAccount(id, passwordHash: BrokerPassword.hash(password))])
        let connection = try connect(password)
        #expect(try management.delete(id))
        try expectClosed(connection)
        #expect(throws: AMQPError.self) { _ = try connect(password) }
        #expect(try !management.delete(id))
    }

    private func expectClosed(_ connection: AMQPConnection) throws {
        var closed = false
        try eventually("the broker closes the connection") {
            do {
                for case .connectionClosed in try connection.poll() { closed = true }
            } catch is AMQPError { closed = true }
            return closed
        }
    }

    @Test func replacedUserLosesItsConnectionAtOnce() throws {
        let (old, new) = (BrokerPassword.random(), BrokerPassword.random())
        try management.store([BrokerAccount(id, passwordHash: BrokerPassword.hash(old))])
        defer { _ = try? management.delete(id) }
        let connection = try connect(old)
        try management.replace(BrokerAccount(id, passwordHash: BrokerPassword.hash(new)))
        try expectClosed(connection)
        #expect(throws: AMQPError.self) { _ = try connect(old) }
        #expect(try answer(connect(new), "scan.\(id)", user: id.text) == "confirmed")
    }

    @Test func newPasswordKeepsTheOpenConnection() throws {
        let (old, new) = (BrokerPassword.random(), BrokerPassword.random())
        try management.store([BrokerAccount(id, passwordHash: BrokerPassword.hash(old))])
        defer { _ = try? management.delete(id) }
        let connection = try connect(old)
        try management.store([BrokerAccount(id, passwordHash: BrokerPassword.hash(new))])
        #expect(throws: AMQPError.self) { _ = try connect(old) }
        _ = try connect(new)
        #expect(try answer(connection, "scan.\(id)", user: id.text) == "confirmed")
    }

    @Test func administratorIsNeverChangedOrDeleted() throws {
        let administrator = try #require(ScannerID(TestServers.amqpUser))
        #expect(throws: BrokerManagementError.foreignUser(administrator.text)) { try management.delete(administrator) }
        #expect(throws: BrokerManagementError.foreignUser(administrator.text)) {
            try management.store([BrokerAccount(administrator, passwordHash: BrokerPassword.hash("x"))])
        }
    }

    /// Adds a user with the password `password`, as an administrator does.
    private func addUser(_ permissions: String = "") throws {
        let user = "<<\"\(id)\">>"
        let rights = permissions.isEmpty ? "" : ", <<\"\(vhost.name)\">>, \(permissions), <<\"test\">>"
        try TestServers.command(
            "evaluate",
            "rabbit_auth_backend_internal:add_user(\(user), <<\"password\">>, <<\"test\">>)"
                + (rights.isEmpty ? "." : ", rabbit_auth_backend_internal:set_permissions(\(user)\(rights))."))
    }

    private func deleteUser() { _ = try? TestServers.command("rabbitmqctl", "-q", "delete_user", id.text) }

    /// A gateway has the permissions of a scanner for any routing key.
    @Test func gatewayIsNeverChangedOrDeleted() throws {
        try addUser(#"<<"^$">>, <<"^tapline\\.scans$">>, <<"^$">>"#)
        defer { deleteUser() }
        #expect(throws: BrokerManagementError.foreignUser(id.text)) { try management.delete(id) }
        #expect(throws: BrokerManagementError.foreignUser(id.text)) {
            try management.store([BrokerAccount(id, passwordHash: BrokerPassword.hash("x"))])
        }
        #expect(try answer(connect("password"), "scan.any", user: id.text) == "confirmed")
    }

    @Test func scannerOfAnotherVirtualHostIsNeverDeleted() throws {
        try management.store([BrokerAccount(id, passwordHash: BrokerPassword.hash("x"))])
        defer { _ = try? management.delete(id) }
        let other = BrokerManagement(try EnrolmentFixture.management("/"))
        #expect(throws: BrokerManagementError.foreignUser(id.text)) { try other.delete(id) }
    }

    @Test func existingUserGetsPermissionsAndLimits() throws {
        try addUser()
        defer { deleteUser() }
        try management.store([BrokerAccount(id, passwordHash: nil)])
        let limits = try TestServers.command("rabbitmqctl", "-q", "list_user_limits", "--user", id.text)
        for (name, value) in BrokerAccount.limits {
            #expect(limits.lines.contains { $0.contains("\"\(name)\":\(value)") }, "\(limits.lines)")
        }
        #expect(try answer(connect("password"), "scan.\(id)", user: id.text) == "confirmed")
    }

    /// Other tests have users at this broker.
    @Test func userWithoutScannerIsNamed() throws {
        try addUser(#"<<".*">>, <<".*">>, <<".*">>"#)
        defer { deleteUser() }
        var settings = try EnrolmentFixture.management("/")
        #expect(try BrokerManagement(settings).strangers(scanners: []).contains(id.text))
        #expect(try !BrokerManagement(settings).strangers(scanners: [id.text]).contains(id.text))
        #expect(try !BrokerManagement(settings).strangers(scanners: [], relays: [id.text]).contains(id.text))
        #expect(try !BrokerManagement(settings).strangers(scanners: []).contains(TestServers.amqpUser))
        settings.centerUsers = [id.text]
        #expect(try !BrokerManagement(settings).strangers(scanners: []).contains(id.text))
    }

    @Test func wrongCredentialAndMissingBrokerDiffer() throws {
        let wrong = try BrokerManagement.Settings(url: TestServers.managementURL(), credential: "tapline:wrong")
        let denied = #expect(throws: BrokerManagementError.self) { _ = try BrokerManagement(wrong).users(of: []) }
        #expect(denied?.category == .configuration && denied?.description.contains("wrong:") == false)
        let none = try BrokerManagement.Settings(url: "http://127.0.0.1:1", credential: "tapline:x")
        let missing = #expect(throws: BrokerManagementError.self) { _ = try BrokerManagement(none).users(of: []) }
        #expect(missing?.category == .unavailable)
    }
}
