/// A registration list that no snapshot can be made of: what is wrong with it.
package struct ExportError: Error, CustomStringConvertible, Sendable {
    let detail: String

    package var description: String { "export: \(detail)" }
}

/// A registration list that is not published until somebody says so, or until it changes.
package enum ExportRefusal: Error, CustomStringConvertible, Sendable, Equatable {
    /// Nobody is registered, and nothing is published yet.
    case empty
    /// Far fewer tags than a snapshot of the last day had, or than the last one: an import that went wrong, or a list that was
    /// deleted.
    case shrunk(attendees: Int64, last: Int64, lastVersion: Int64)

    /// The tags are there, but far fewer of them are active than in the last snapshot: the gates would refuse a crowd.
    case fewerActive(active: Int64, last: Int64, lastVersion: Int64)

    /// A list with fewer percent of the tags, or of the active tags, is refused.
    static let leastPercent: Int64 = 90
    /// So few tags are revoked by hand: at a small event one alone may be a tenth of all.
    static let fewTags: Int64 = 10

    static func isShrunk(_ attendees: Int64, from last: Int64) -> Bool { attendees * 100 < last * leastPercent }

    static func hasFewerActive(_ active: Int64, than last: Int64) -> Bool {
        last - active > fewTags && isShrunk(active, from: last)
    }

    package var description: String {
        switch self {
        case .empty: "the registration list has no tags yet"
        case .shrunk(let attendees, let last, let version):
            "\(attendees) tags are registered, and snapshot \(version) had \(last)" + ExportRefusal.advice
        case .fewerActive(let active, let last, let version):
            "\(active) of the tags are active, and \(last) were in snapshot \(version)" + ExportRefusal.advice
        }
    }

    private static let advice =
        ": under \(leastPercent) %, so it is not published. If that is right: tapline-snapshot export --allow-shrink"
}
