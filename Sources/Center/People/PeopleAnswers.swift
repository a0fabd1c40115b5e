import FoundationEssentials
package import HTTPServer
package import Postgres
import Registry
import Runtime
package import ScanModel

/// Answers questions about people from the database, on one connection.
///
/// The bodies are JSON, described in contract.md section 7.
package final class PeopleAnswers {
    /// Maximum number of people that a search returns.
    package static let searchRows = 50

    private let connection: PostgresConnection
    private let registry: RegistryStore
    private let refusals: Refusals
    private let key: EventKey?
    private let log = Log("people")
    /// Whether the log says already that the key is another one.
    private var hasWarned = false

    /// Creates the answers.
    ///
    /// - Parameters:
    ///   - connection: used by this object alone.
    ///   - snapshots: folder of published snapshots, for the reasons of refusals; `nil`: the meaning of the verdicts only.
    ///   - key: event key, for searches by the text of a code or a UID; `nil`: neither is found.
    /// - Throws: `SchemaError`, `PostgresError`.
    package init(_ connection: PostgresConnection, snapshots: String?, key: EventKey?) throws {
        self.connection = connection
        registry = try RegistryStore(connection)
        refusals = Refusals(connection, snapshots: snapshots)
        self.key = key
    }

    /// Returns the response to a request; `nil` for a path that is not about people.
    ///
    /// - Throws: `PostgresError`.
    package func response(path: String, query: [String: String]) throws -> HTTPResponse? {
        try PeopleQuestion(path: path, query: query).map(response)
    }

    /// Returns the response to a question.
    ///
    /// - Throws: `PostgresError`.
    func response(to question: PeopleQuestion) throws -> HTTPResponse {
        switch question {
        case .search(let text):
            do {
                return Self.json(try Self.encoded(try found(text)))
            } catch let error as RegistryError {
                return .text("400: \(error)\n", status: 400)
            }
        case .person(let id):
            guard let report = try PersonReport.json(connection, id) else { return Self.unknown }
            return Self.json(report)
        case .refusals(let id):
            guard let found = try refusals.today(of: id) else { return Self.unknown }
            return Self.json(try Self.encoded(found))
        case .tagRefusals(let tag):
            return Self.json(try Self.encoded(try refusals.today(of: tag)))
        }
    }

    // MARK: Search

    /// The answer to a search.
    private struct Found: Encodable {
        /// A tag that no person has, and how often it was refused on this event day, at most `Refusals.limit`.
        struct Stray: Encodable {
            /// A JSON number would lose digits in a browser.
            let tag: String
            let refusals: Int
        }

        let matches: [FoundAttendee]
        let more: Bool
        let tags: [Stray]
        /// Whether codes and UIDs are found.
        let codes: Bool
    }

    private func found(_ text: String) throws -> Found {
        let key = try usableKey()
        let people = try registry.findAttendees(text, atMost: Self.searchRows, key: key)
        let tags = try registry.strayTags(text, key: key).compactMap { tag -> Found.Stray? in
            let count = try refusals.today(of: tag).refusals.count
            return count == 0 ? nil : Found.Stray(tag: "\(tag.rawValue)", refusals: count)
        }
        return Found(matches: people.matches, more: people.more, tags: tags, codes: key != nil)
    }

    /// The key if it is the event's; `nil` without one. The key of the event may be set while the center runs.
    private func usableKey() throws -> EventKey? {
        guard let key, try !registry.permits(key) else { return key }
        if !hasWarned {
            hasWarned = true
            log.error(
                "the event key is not the event's: codes and UIDs are not found",
                [.detail: "use the event's key file; tapline-center doctor compares the fingerprints"])
        }
        return nil
    }

    private static let unknown = HTTPResponse.text("404: there is no such person\n", status: 404)

    private static func encoded(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    private static func json(_ text: String) -> HTTPResponse {
        HTTPResponse(
            contentType: "application/json", body: .bytes(Array(JSONText.escapingInvisible(text).utf8)),
            headers: [("Cache-Control", "no-store")])
    }
}
