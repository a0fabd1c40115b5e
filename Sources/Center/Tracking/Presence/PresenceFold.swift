import ScanModel

/// One admission, as far as it determines where a tag is.
struct Sighting: Sendable, Equatable {
    /// Time of the scan, as `StoredScans.orderedMicros`: the first criterion for the order of a tag's scans.
    var orderedAt: Int64
    var journalID: JournalID
    var seq: Int64
    /// The row ID of the journal.
    var journal: Int64
    var isOut: Bool
    /// A check without a passage: it never moves presence.
    var isInspection: Bool
    var gate: Int64?

    /// Returns whether this sighting is later in the order of contract.md section 4: time, journal ID, seq.
    func isAfter(_ other: Sighting) -> Bool {
        if orderedAt != other.orderedAt { return orderedAt > other.orderedAt }
        if journalID != other.journalID { return journalID > other.journalID }
        return seq > other.seq
    }
}

/// Folds stored scans into the last sighting of each tag. Pure, so that tests can try any order of arrival.
struct PresenceFold: Sendable {
    /// Maximum number of passages that are kept individually. If there are more, none is.
    static let passagesLimit = 2_000

    private var latest: [Int64: Sighting] = [:]
    private var kept: [(tag: Int64, sighting: Sighting)] = []
    private var count = 0

    init() {}

    /// Adds an admission (verdict 0) that is not annulled. An inspection is ignored.
    mutating func admit(_ tag: Int64, _ sighting: Sighting) {
        if sighting.isInspection { return }
        count += 1
        if count <= PresenceFold.passagesLimit { kept.append((tag, sighting)) }
        if let known = latest[tag], !sighting.isAfter(known) { return }
        latest[tag] = sighting
    }

    /// The last sighting of each tag, sorted by tag.
    var sorted: [(tag: Int64, sighting: Sighting)] {
        latest.map { (tag: $0.key, sighting: $0.value) }.sorted { $0.tag < $1.tag }
    }

    /// All passages, in the order in which they were added; `nil` if there are more than `passagesLimit`.
    var passages: [(tag: Int64, sighting: Sighting)]? { count <= PresenceFold.passagesLimit ? kept : nil }
}
