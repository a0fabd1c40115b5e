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

    /// A tag, the time of its last sighting, and 1 + the index of that sighting in `latest`; 0 if the place is free.
    private struct Place {
        var tag: Int64 = 0
        var orderedAt: Int64 = 0
        var end = 0
    }

    /// Open addressing, a power of two in size and at most half full. A fold of a backlog looks up each scan, and a
    /// Dictionary would cost twice as much.
    private var places = [Place](repeating: Place(), count: 1_024)
    private var latest: [(tag: Int64, sighting: Sighting)] = []
    private var kept: [(tag: Int64, sighting: Sighting)] = []
    private var count = 0

    /// Spreads tag IDs that are not random. Odd, and another one in each process, so that a device cannot choose tag IDs
    /// that share a place.
    private static let multiplier = UInt64.random(in: .min ... .max) | 1

    init() {}

    /// Adds an admission (verdict 0) that is not annulled. An inspection is ignored.
    mutating func admit(_ tag: Int64, _ sighting: Sighting) {
        if sighting.isInspection { return }
        count += 1
        if count <= PresenceFold.passagesLimit { kept.append((tag, sighting)) }
        let index = place(of: tag)
        let place = places[index]
        if place.end == 0 {
            latest.append((tag, sighting))
            places[index] = Place(tag: tag, orderedAt: sighting.orderedAt, end: latest.count)
            if 2 * latest.count > places.count { grow() }
        } else if sighting.orderedAt > place.orderedAt
            || sighting.orderedAt == place.orderedAt && sighting.isAfter(latest[place.end - 1].sighting)
        {
            latest[place.end - 1].sighting = sighting
            places[index].orderedAt = sighting.orderedAt
        }
    }

    /// Returns where `places` has a tag, or where it is to be entered.
    private func place(of tag: Int64) -> Int {
        let hash = UInt64(bitPattern: tag) &* PresenceFold.multiplier
        let mask = places.count - 1
        var index = Int(truncatingIfNeeded: hash >> 32) & mask
        while places[index].end != 0, places[index].tag != tag { index = (index + 1) & mask }
        return index
    }

    private mutating func grow() {
        places = Array(repeating: Place(), count: 2 * places.count)
        for (index, entry) in latest.enumerated() {
            places[place(of: entry.tag)] = Place(
                tag: entry.tag, orderedAt: entry.sighting.orderedAt, end: index + 1)
        }
    }

    /// The last sighting of each tag, sorted by tag.
    var sorted: [(tag: Int64, sighting: Sighting)] {
        latest.indices.map { (tag: latest[$0].tag, index: $0) }.sorted { $0.tag < $1.tag }.map { latest[$0.index] }
    }

    /// All passages, in the order in which they were added; `nil` if there are more than `passagesLimit`.
    var passages: [(tag: Int64, sighting: Sighting)]? { count <= PresenceFold.passagesLimit ? kept : nil }
}
