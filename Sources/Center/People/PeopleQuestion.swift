import ScanModel

/// A request of the display about people.
enum PeopleQuestion: Equatable, Sendable {
    /// `/api/people?q=TEXT`.
    case search(String)
    /// `/api/people/ID`.
    case person(Int64)
    /// `/api/people/ID/refusals`.
    case refusals(Int64)
    /// `/api/people/tags/ID/refusals`.
    case tagRefusals(TagID)

    /// The path of the search. The paths of one person begin with it.
    static let path = "/api/people"

    /// Reads a request.
    ///
    /// - Parameters:
    ///   - path: the percent-decoded path.
    ///   - query: the members of the query string. A search without `q` finds no one.
    /// - Returns: `nil` for another path.
    init?(path: String, query: [String: String]) {
        guard path.hasPrefix(Self.path) else { return nil }
        let rest = path.dropFirst(Self.path.count)
        if rest.isEmpty {
            self = .search(query["q"] ?? "")
            return
        }
        let parts = rest.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 4, parts[0].isEmpty, parts[1] == "tags", parts[3] == "refusals" {
            // As the database writes it: no "+1", no "01".
            guard let id = Int64(parts[2]), "\(id)" == parts[2] else { return nil }
            self = .tagRefusals(TagID(rawValue: id))
            return
        }
        guard (2...3).contains(parts.count), parts[0].isEmpty, parts[1].utf8.allSatisfy({ (48...57).contains($0) }),
            let id = Int64(parts[1])
        else { return nil }
        if parts.count == 2 {
            self = .person(id)
        } else {
            guard parts[2] == "refusals" else { return nil }
            self = .refusals(id)
        }
    }
}
