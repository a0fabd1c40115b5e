/// The users of a broker and their permissions in all virtual hosts, as the management API lists them.
struct BrokerUsers {
    /// A user of the broker.
    struct User: Decodable, Equatable {
        let name: String
        let tags: [String]

        private enum CodingKeys: String, CodingKey { case name, tags }

        init(name: String, tags: [String] = []) { (self.name, self.tags) = (name, tags) }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            name = try container.decode(String.self, forKey: .name)
            // An array, and a text with commas before RabbitMQ 3.9.
            tags =
                try (try? container.decode([String].self, forKey: .tags))
                ?? container.decode(String.self, forKey: .tags).split { $0 == "," || $0 == " " }.map(String.init)
        }
    }

    /// What a user may do in a virtual host.
    struct Permission: Codable, Equatable {
        let user, vhost, configure, write, read: String

        /// The permission of a scanner.
        static func scanner(_ user: String, _ vhost: String) -> Permission {
            Permission(
                user: user, vhost: vhost, configure: BrokerAccount.none, write: BrokerAccount.write,
                read: BrokerAccount.none)
        }
    }

    /// Which routing keys of an exchange a user may use.
    struct TopicPermission: Codable, Equatable {
        let user, vhost, exchange, write, read: String

        /// The topic permission of a scanner.
        static func scanner(_ user: String, _ vhost: String) -> TopicPermission {
            TopicPermission(
                user: user, vhost: vhost, exchange: BrokerAccount.exchange, write: BrokerAccount.writeKey,
                read: BrokerAccount.none)
        }
    }

    /// Tags of persons and monitors, who use the management API.
    private static let staffTags: Set = ["administrator", "monitoring", "management"]

    let users: [User]
    let permissions: [Permission]
    let topicPermissions: [TopicPermission]

    /// Returns the users that no command for scanners may change or delete.
    ///
    /// The user of a scanner has no tags, and exactly the permissions of `BrokerAccount`, in one virtual host. A user
    /// without any permission can do nothing, and may become a scanner's. A gateway has other topic permissions.
    ///
    /// - Parameter virtualHost: virtual host of the scans.
    func foreign(virtualHost: String) -> Set<String> {
        let rights = Dictionary(grouping: permissions, by: \.user)
        let topics = Dictionary(grouping: topicPermissions, by: \.user)
        return Set(
            users.filter { user in
                guard user.tags.isEmpty else { return true }
                let (right, topic) = (rights[user.name] ?? [], topics[user.name] ?? [])
                guard !right.isEmpty || !topic.isEmpty else { return false }
                return right != [.scanner(user.name, virtualHost)] || topic != [.scanner(user.name, virtualHost)]
            }.map(\.name))
    }

    /// Returns the users that are neither known nor staff, in order. Their permissions do not matter.
    func strangers(known: Set<String>) -> [String] {
        users.filter { Self.staffTags.isDisjoint(with: $0.tags) && !known.contains($0.name) }.map(\.name).sorted()
    }
}
