import FoundationEssentials
package import ScanModel

/// The broker user of a scanner, and what it may do: publish under its routing key, and nothing else.
package struct BrokerAccount: Sendable, Equatable {
    /// The scanner, whose ID is the name of the user.
    package let scanner: ScannerID
    /// Hash of the password (`BrokerPassword.hash`); `nil` keeps user and password, and sets the permissions only.
    package let passwordHash: String?

    /// Creates the account of a scanner.
    package init(_ scanner: ScannerID, passwordHash: String?) {
        self.scanner = scanner
        self.passwordHash = passwordHash
    }

    /// Nothing may be declared or read.
    package static let none = "^$"
    /// The only exchange that may be written to.
    package static let write = #"^tapline\.scans$"#
    /// The only routing key. The broker puts in the name of the user.
    package static let writeKey = #"^scan\.{username}$"#
    /// The exchange of the routing keys.
    package static let exchange = "tapline.scans"
    /// Maximum number of connections. A publisher has one, and so has an upload by another program. A lost link can leave
    /// a few until their heartbeat fails.
    package static let connectionLimit = 8
    /// Maximum number of channels of all connections: each has one.
    package static let channelLimit = 8
    /// Both limits, by their names at the broker.
    package static let limits = ["max-connections": connectionLimit, "max-channels": channelLimit]
}

/// Users and permissions in the form that RabbitMQ imports (`POST /api/definitions`, `rabbitmqctl import_definitions`).
package struct BrokerDefinitions: Encodable, Sendable {
    private struct User: Encodable {
        let name, passwordHash: String
        let algorithm = BrokerPassword.algorithm
        let tags = ""
        let limits = BrokerAccount.limits

        enum CodingKeys: String, CodingKey {
            case name, tags, limits
            case passwordHash = "password_hash"
            case algorithm = "hashing_algorithm"
        }
    }

    private let users: [User]
    private let permissions: [BrokerUsers.Permission]
    private let topicPermissions: [BrokerUsers.TopicPermission]

    private enum CodingKeys: String, CodingKey {
        case users, permissions
        case topicPermissions = "topic_permissions"
    }

    /// Creates the definitions of accounts.
    ///
    /// - Parameters:
    ///   - accounts: the accounts.
    ///   - virtualHost: virtual host of the scans.
    package init(_ accounts: [BrokerAccount], virtualHost: String) {
        users = accounts.compactMap { account in
            account.passwordHash.map { User(name: account.scanner.text, passwordHash: $0) }
        }
        permissions = accounts.map { .scanner($0.scanner.text, virtualHost) }
        topicPermissions = accounts.map { .scanner($0.scanner.text, virtualHost) }
    }

    /// The definitions as one line of JSON.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
