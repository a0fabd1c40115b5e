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
                return Self.json(try Self.encoded(try registry.findAttendees(text, atMost: Self.searchRows, key: key)))
            } catch let error as RegistryError {
                return .text("400: \(error)\n", status: 400)
            }
        case .person(let id):
            guard let report = try PersonReport.json(connection, id) else { return Self.unknown }
            return Self.json(report)
        case .refusals(let id):
            guard let found = try refusals.today(of: id) else { return Self.unknown }
            return Self.json(try Self.encoded(found))
        }
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
