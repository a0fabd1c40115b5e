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

    /// The tags seen so far, and the last sighting of each.
    private var tags: [Int64] = []
    private var latest: [Sighting] = []
    /// Open addressing, a power of two in size and at most half full: 1 + the index of a tag, or 0. A fold of a backlog
    /// looks up each scan, and a Dictionary would cost several times as much.
    private var places = [Int32](repeating: 0, count: 1_024)
    private var kept: [(tag: Int64, sighting: Sighting)] = []
    private var count = 0

    init() {}

    /// Adds an admission (verdict 0) that is not annulled. An inspection is ignored.
    mutating func admit(_ tag: Int64, _ sighting: Sighting) {
        if sighting.isInspection { return }
        count += 1
        if count <= PresenceFold.passagesLimit { kept.append((tag, sighting)) }
        let place = place(of: tag)
        let known = Int(places[place]) - 1
        if known >= 0 {
            if sighting.isAfter(latest[known]) { latest[known] = sighting }
            return
        }
        tags.append(tag)
        latest.append(sighting)
        places[place] = Int32(tags.count)
        if 2 * tags.count > places.count { grow() }
    }

    /// Returns where `places` has a tag, or where it is to be entered.
    private func place(of tag: Int64) -> Int {
        // The multiplication spreads tag IDs that are not random, as of tests.
        let hash = UInt64(bitPattern: tag) &* 0x9e37_79b9_7f4a_7c15
        let mask = places.count - 1
        var place = Int(truncatingIfNeeded: hash >> 32) & mask
        while places[place] != 0, tags[Int(places[place]) - 1] != tag { place = (place + 1) & mask }
        return place
    }

    private mutating func grow() {
        places = Array(repeating: 0, count: 2 * places.count)
        for index in tags.indices { places[place(of: tags[index])] = Int32(index + 1) }
    }

    /// The last sighting of each tag, sorted by tag.
    var sorted: [(tag: Int64, sighting: Sighting)] {
        tags.indices.sorted { tags[$0] < tags[$1] }.map { (tag: tags[$0], sighting: latest[$0]) }
    }

    /// All passages, in the order in which they were added; `nil` if there are more than `passagesLimit`.
    var passages: [(tag: Int64, sighting: Sighting)]? { count <= PresenceFold.passagesLimit ? kept : nil }
}
