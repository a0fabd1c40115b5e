/// A registration list that no snapshot can be made of: what is wrong with it.
public struct ExportError: Error, CustomStringConvertible, Sendable {
    let detail: String

    public var description: String { "export: \(detail)" }
}

/// A registration list that is not published until somebody says so, or until it changes.
public enum ExportRefusal: Error, CustomStringConvertible, Sendable, Equatable {
    /// Nobody is registered, and nothing is published yet.
    case empty
    /// Far fewer tags than the last snapshot had: an import that went wrong, or a list that was deleted.
    case shrunk(attendees: Int64, last: Int64, lastVersion: Int64)

    /// A list with fewer percent of the last one's tags is refused.
    static let leastPercent: Int64 = 90

    static func isShrunk(_ attendees: Int64, from last: Int64) -> Bool { attendees * 100 < last * leastPercent }

    public var description: String {
        switch self {
        case .empty: "the registration list has no tags yet"
        case .shrunk(let attendees, let last, let version):
            "\(attendees) tags are registered, and snapshot \(version) had \(last): under \(ExportRefusal.leastPercent) %, so it is"
                + " not published. If that is right: tapline-snapshot export --allow-shrink"
        }
    }
}
