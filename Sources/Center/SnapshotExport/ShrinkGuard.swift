/// What the length of a new list is measured by: the longest that was published within a day, for a list that loses a little with
/// each version is never far shorter than the last. A plain value, told all versions since then, the oldest first.
struct ShrinkGuard {
    /// How long a version counts that others have followed, in seconds.
    static let windowS: Int64 = 86_400

    /// Nil: nothing is published yet.
    private(set) var measure: (version: Int64, attendees: Int64)?

    mutating func published(version: Int64, attendees: Int64) {
        // One that is far shorter was allowed by somebody, or it would not have been published: from then on it counts.
        if let measure, attendees < measure.attendees, !ExportRefusal.isShrunk(attendees, from: measure.attendees) {
            return
        }
        measure = (version, attendees)
    }

    /// Why a list of so many tags is not published; nil: it may be.
    func refusal(of attendees: Int64) -> ExportRefusal? {
        guard let measure, ExportRefusal.isShrunk(attendees, from: measure.attendees) else { return nil }
        return .shrunk(attendees: attendees, last: measure.attendees, lastVersion: measure.version)
    }
}
