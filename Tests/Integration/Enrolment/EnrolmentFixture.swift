import Crypto
import Enrolment
import EnrolmentExchange
import FileSystem
import Postgres
import ScanModel
import TestSupport
import Testing

/// A migrated database with three enabled scanners and one that is not, and the tables of enrolment.
final class EnrolmentFixture {
    let database: TestDatabase
    let connection: PostgresConnection
    let store: EnrolmentStore
    let folder = TemporaryFolder("enrolment")

    init() throws {
        database = try TestDatabase.migrated()
        connection = try database.connect()
        store = EnrolmentStore(connection)
        try connection.execute(
            """
            INSERT INTO tapline.scanners (id, enabled)
            VALUES ('gate-1', true), ('gate-2', true), ('gate-3', true), ('gate-off', false)
            """)
    }

    func id(_ text: String = "gate-1") throws -> ScannerID { try #require(ScannerID(text)) }

    func template() throws -> EnrolmentTemplate { try EnrolmentTemplate(brokers: ["amqps://broker.example/event"]) }

    func token() throws -> EnrolmentToken {
        try #require(EnrolmentToken(center: "localhost:1", pinnedKey: [UInt8](repeating: 1, count: 32)))
    }

    /// Settings of the management API of the test broker, for a virtual host.
    static func management(_ virtualHost: String) throws -> BrokerManagement.Settings {
        try BrokerManagement.Settings(
            url: TestServers.managementURL(), credential: "\(TestServers.amqpUser):\(TestServers.amqpPassword())",
            virtualHost: virtualHost)
    }

    /// Writes the credential of the test broker to a file for the programs.
    func credentialFile() throws -> String {
        let path = folder.file("credential")
        let text = "\(TestServers.amqpUser):\(try TestServers.amqpPassword())\n"
        try Files.writeAtomically(Array(text.utf8), to: path, mode: 0o600)
        return path
    }

    /// The bearer token of issued credentials.
    func bearer(_ issued: IssuedEnrolment) throws -> String { try #require(issued.content.settings["CENTER_TOKEN"]) }
}
