import BrokerAPI
import FoundationEssentials
import HTTPClient
import LinuxSystem
package import ScanModel

/// Changes the users of RabbitMQ by its management API. Confined to one thread, which it blocks.
package final class BrokerManagement {
    /// Address and credential of the management API.
    package struct Settings: Sendable {
        /// Base URL without a slash at its end, for example `https://broker.example:15671`.
        package let url: String
        /// Name of the user of the credential.
        package let user: String
        fileprivate let password: String
        /// Virtual host of the scans.
        package let virtualHost: String
        /// Path of the PEM bundle of accepted certificate authorities; `nil` for the system's.
        package var authorityFile: String?
        /// Users of the centers. They are no scanners, and are never changed.
        package var centerUsers: Set<String> = []

        /// The users that Tapline itself has.
        fileprivate var ownUsers: Set<String> { centerUsers.union([user]) }

        /// Checks and creates settings.
        ///
        /// - Parameters:
        ///   - url: base URL. Plain http is accepted for this machine only, because the password is in each request.
        ///   - credential: `USER:PASSWORD`.
        ///   - virtualHost: virtual host of the scans.
        ///   - allowsPlain: whether plain http is accepted for other machines too.
        /// - Throws: `BrokerManagementError.setting`.
        package init(
            url: String, credential: String, virtualHost: String = "/", allowsPlain: Bool = false
        ) throws(BrokerManagementError) {
            var base = url[...]
            while base.hasSuffix("/") { base.removeLast() }
            guard let scheme = base.firstRange(of: "://"), let host = Self.host(base[scheme.upperBound...]) else {
                throw .setting("the URL must be http://HOST:PORT or https://HOST:PORT, without a user")
            }
            switch base[..<scheme.lowerBound].lowercased() {
            case "https": break
            case "http":
                guard allowsPlain || IPAddress.isLoopback(host: String(host)) else {
                    throw .setting("plain http would send the password of the broker over the network: use https")
                }
            default: throw .setting("the scheme of the URL must be http or https")
            }
            let parts = credential.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, credential.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw .setting("the credential must be one line, USER:PASSWORD")
            }
            (self.url, self.virtualHost) = (String(base), virtualHost)
            (user, password) = (String(parts[0]), String(parts[1]))
        }

        /// The host of a URL after its scheme; `nil` without one, and for a URL with a user.
        private static func host(_ rest: Substring) -> Substring? {
            let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
            guard !authority.isEmpty, !authority.contains("@") else { return nil }
            if authority.hasPrefix("[") { return authority.prefix { $0 != "]" }.dropFirst() }
            return authority.prefix { $0 != ":" }
        }
    }

    /// The limits of a user, by name.
    private struct UserLimits: Decodable {
        let user: String
        let value: [String: Int]

        private enum CodingKeys: String, CodingKey { case user, value }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            user = try container.decode(String.self, forKey: .user)
            // An empty map can be an empty array.
            value = (try? container.decode([String: Int].self, forKey: .value)) ?? [:]
        }
    }

    /// Accounts in one request: RabbitMQ 3.10 stores 200 in half a second.
    private static let chunk = 200
    private static let timeoutMs = 60_000
    /// 30,000 users.
    private static let responseLimitBytes = 8 << 20

    private let settings: Settings
    private let api: ManagementAPI

    /// Creates a client. It connects at the first request.
    package init(_ settings: Settings) {
        self.settings = settings
        api = ManagementAPI(
            url: settings.url, user: settings.user, password: settings.password, authorityFile: settings.authorityFile,
            timeoutMs: Self.timeoutMs, responseLimitBytes: Self.responseLimitBytes)
    }

    /// Creates the users of accounts or changes their passwords, and sets permissions and limits. Open connections
    /// continue, also after a change of the password.
    ///
    /// - Parameter accounts: the accounts; they are stored in groups, in order.
    /// - Throws: `BrokerManagementError`. With `foreignUser` nothing was stored.
    package func store(_ accounts: [BrokerAccount]) throws {
        _ = try users(of: accounts.map(\.scanner))
        let host = try send(.get, ["vhosts", settings.virtualHost], columns: ["name"])
        guard host.status == 200 else { throw unexpected(host) }
        var rest = accounts[...]
        while !rest.isEmpty {
            let definitions = BrokerDefinitions(Array(rest.prefix(Self.chunk)), virtualHost: settings.virtualHost)
            let response = try send(.post, ["definitions"], body: Array(definitions.json().utf8))
            guard response.status == 204 || response.status == 200 else { throw unexpected(response) }
            rest = rest.dropFirst(Self.chunk)
        }
        try limit(accounts.filter { $0.passwordHash == nil }.map(\.scanner.text))
    }

    /// Deletes the user of a scanner, which closes its connections, and creates it again.
    ///
    /// - Parameter account: the account, with a new password.
    /// - Throws: `BrokerManagementError`. After an error the scanner may have no user.
    package func replace(_ account: BrokerAccount) throws {
        _ = try delete(account.scanner)
        try store([account])
    }

    /// Deletes the user of a scanner. The broker closes its connections at once.
    ///
    /// - Returns: whether there was one.
    /// - Throws: `BrokerManagementError`; `foreignUser` for a user that is not a scanner's.
    package func delete(_ scanner: ScannerID) throws -> Bool {
        _ = try users(of: [scanner])
        let response = try send(.delete, ["users", scanner.text])
        guard response.status == 204 || response.status == 404 else { throw unexpected(response) }
        return response.status == 204
    }

    /// Returns which scanners have a user.
    ///
    /// - Throws: `BrokerManagementError`; `foreignUser` if a user of such a name is not a scanner's.
    package func users(of scanners: [ScannerID]) throws -> Set<String> {
        let all = try brokerUsers()
        let foreign = all.foreign(virtualHost: settings.virtualHost).union(settings.ownUsers)
        for scanner in scanners where foreign.contains(scanner.text) {
            throw BrokerManagementError.foreignUser(scanner.text)
        }
        return Set(all.users.map(\.name)).intersection(scanners.map(\.text))
    }

    /// Returns the users of the whole broker that no scanner has, in order. Users with the tag administrator,
    /// monitoring or management, and those of the centers, are left out.
    ///
    /// - Parameters:
    ///   - scanners: IDs of the enabled scanners.
    ///   - relays: users that publish for several scanners.
    /// - Throws: `BrokerManagementError`.
    package func strangers(scanners: Set<String>, relays: Set<String> = []) throws -> [String] {
        try brokerUsers().strangers(known: scanners.union(relays).union(settings.ownUsers))
    }

    // MARK: Requests

    private func brokerUsers() throws -> BrokerUsers {
        BrokerUsers(
            users: try list("users", columns: ["name", "tags"], of: BrokerUsers.User.self),
            permissions: try list("permissions", of: BrokerUsers.Permission.self),
            topicPermissions: try list("topic-permissions", of: BrokerUsers.TopicPermission.self))
    }

    /// Sets the limits of users that lack them. An import sets them only together with a password.
    private func limit(_ names: [String]) throws {
        guard !names.isEmpty else { return }
        let limits = Dictionary(
            try list("user-limits", of: UserLimits.self).map { ($0.user, $0.value) }, uniquingKeysWith: { $1 })
        for name in names {
            for (limit, value) in BrokerAccount.limits where limits[name]?[limit] != value {
                let response = try send(
                    .put, ["user-limits", name, limit], body: Array("{\"value\":\(value)}".utf8))
                guard [200, 201, 204].contains(response.status) else { throw unexpected(response) }
            }
        }
    }

    private func list<Row: Decodable>(_ path: String, columns: [String] = [], of type: Row.Type) throws -> [Row] {
        let response = try send(.get, [path], columns: columns)
        guard response.status == 200, let rows = try? JSONDecoder().decode([Row].self, from: Data(response.body)) else {
            throw unexpected(response)
        }
        return rows
    }

    private func send(
        _ method: HTTPSession.Method, _ path: [String], columns: [String] = [], body: [UInt8]? = nil
    ) throws(BrokerManagementError) -> ManagementAPI.Response {
        do { return try api.send(method, path, columns: columns, body: body) } catch { throw .unavailable(error) }
    }

    private func unexpected(_ response: ManagementAPI.Response) -> BrokerManagementError {
        [401, 403].contains(response.status)
            ? .denied(url: response.url, status: response.status)
            : .unexpected(url: response.url, status: response.status)
    }
}
