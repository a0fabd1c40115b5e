package import ErrorModel

/// Why an export did not publish the registration list. The list must change, or the user must allow it.
package enum ExportRejection: OperationError, Equatable {
    /// The list has no tags, and nothing is published yet.
    case empty
    /// Far fewer tags than in the largest snapshot of the last day: probably a failed import or a deleted list.
    case shrunk(attendees: Int64, last: Int64, lastVersion: Int64)
    /// Far fewer active tags than in the last snapshot: the gates would reject many attendees.
    case fewerActive(active: Int64, last: Int64, lastVersion: Int64)

    /// A list with fewer tags or active tags than this percentage is rejected.
    static let leastPercent: Int64 = 90
    /// A loss of at most this number of active tags is accepted: at a small event one revoked tag can be a tenth.
    static let fewTags: Int64 = 10

    /// Always `failure`: the list must change, or the user must allow it.
    package var category: ErrorCategory { .failure }

    static func isShrunk(_ attendees: Int64, from last: Int64) -> Bool { attendees * 100 < last * leastPercent }

    static func hasFewerActive(_ active: Int64, than last: Int64) -> Bool {
        last - active > fewTags && isShrunk(active, from: last)
    }

    /// The numbers of the list and of the last snapshot.
    package var description: String {
        switch self {
        case .empty: "the registration list has no tags yet"
        case .shrunk(let attendees, let last, let version):
            "\(attendees) tags are registered, but snapshot \(version) has \(last)" + ExportRejection.consequence
        case .fewerActive(let active, let last, let version):
            "\(active) tags are active, but snapshot \(version) has \(last) active tags" + ExportRejection.consequence
        }
    }

    private static let consequence =
        ": fewer than \(leastPercent) %, not published. If this is intended, export once and allow the list to shrink"
}

/// Determines the number of tags that a new list is compared with: the largest of the snapshots published within a day.
///
/// The last snapshot is not sufficient: small losses in each version would never be detected. A plain value that
/// receives the published versions of that period, the oldest first.
struct ShrinkGuard {
    /// Period for which a version counts after it was followed by others, in seconds.
    static let windowS: Int64 = 86_400

    /// `nil`: nothing was published yet.
    private(set) var reference: (version: Int64, attendees: Int64)?

    mutating func addPublished(version: Int64, attendees: Int64) {
        // A far shorter version was published only because the user allowed it. It becomes the new reference.
        if let reference, attendees < reference.attendees,
            !ExportRejection.isShrunk(attendees, from: reference.attendees)
        {
            return
        }
        reference = (version, attendees)
    }

    /// Returns why a list with this number of tags is not published, or `nil` if it may be published.
    func rejection(of attendees: Int64) -> ExportRejection? {
        guard let reference, ExportRejection.isShrunk(attendees, from: reference.attendees) else { return nil }
        return .shrunk(attendees: attendees, last: reference.attendees, lastVersion: reference.version)
    }
}
