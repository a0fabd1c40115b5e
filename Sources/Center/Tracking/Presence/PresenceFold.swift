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

/// Folds stored scans into the last sighting of each tag, at 40 to 80 bytes a tag. Pure, so that tests can try any order
/// of arrival.
struct PresenceFold: Sendable {
    /// Maximum number of passages that are kept individually. If there are more, none is.
    static let passagesLimit = 2_000

    /// What the sightings of a run have in common.
    private struct Origin {
        let journalID: JournalID
        let journal: Int64
        let gate: Int64?
    }

    /// The last sighting of a tag.
    private struct Entry {
        let tag: Int64
        var orderedAt: Int64
        var seq: Int64
        /// Index in `origins`.
        var origin: UInt32
        var isOut: Bool
    }

    private var origins: [Origin] = []
    private var entries: [Entry] = []
    /// 1 + the index of a tag in `entries`; 0 if the place is free. Open addressing, a power of two in size and at most
    /// half full. A fold of a backlog looks up each scan, and a Dictionary would cost twice as much.
    private var places = [UInt32](repeating: 0, count: 1_024)
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
        let place = place(of: tag)
        let end = Int(places[place])
        if end == 0 {
            entries.append(entry(tag, sighting))
            places[place] = UInt32(entries.count)
            if 2 * entries.count > places.count { grow() }
        } else {
            let orderedAt = entries[end - 1].orderedAt
            if sighting.orderedAt > orderedAt || sighting.orderedAt == orderedAt && sighting.isAfter(last(end - 1)) {
                entries[end - 1] = entry(tag, sighting)
            }
        }
    }

    private mutating func entry(_ tag: Int64, _ sighting: Sighting) -> Entry {
        // The sightings of a run follow each other.
        if origins.last?.journal != sighting.journal || origins.last?.gate != sighting.gate {
            origins.append(Origin(journalID: sighting.journalID, journal: sighting.journal, gate: sighting.gate))
        }
        return Entry(
            tag: tag, orderedAt: sighting.orderedAt, seq: sighting.seq, origin: UInt32(origins.count - 1),
            isOut: sighting.isOut)
    }

    /// Returns where `places` has a tag, or where it is to be entered.
    private func place(of tag: Int64) -> Int {
        let hash = UInt64(bitPattern: tag) &* PresenceFold.multiplier
        let mask = places.count - 1
        var index = Int(truncatingIfNeeded: hash >> 32) & mask
        while places[index] != 0, entries[Int(places[index]) - 1].tag != tag { index = (index + 1) & mask }
        return index
    }

    private mutating func grow() {
        places = Array(repeating: 0, count: 2 * places.count)
        for index in entries.indices { places[place(of: entries[index].tag)] = UInt32(index + 1) }
    }

    /// Returns the last sighting of the tag at an index of `sortedTags`.
    func last(_ index: Int) -> Sighting {
        let entry = entries[index]
        let origin = origins[Int(entry.origin)]
        return Sighting(
            orderedAt: entry.orderedAt, journalID: origin.journalID, seq: entry.seq, journal: origin.journal,
            isOut: entry.isOut, isInspection: false, gate: origin.gate)
    }

    /// The tags in order, and the index of each for `last`.
    var sortedTags: [(tag: Int64, index: Int)] {
        entries.indices.map { (tag: entries[$0].tag, index: $0) }.sorted { $0.tag < $1.tag }
    }

    /// All passages, in the order in which they were added; `nil` if there are more than `passagesLimit`.
    var passages: [(tag: Int64, sighting: Sighting)]? { count <= PresenceFold.passagesLimit ? kept : nil }
}
