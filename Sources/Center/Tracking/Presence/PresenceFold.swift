package import ScanModel

/// One admission, as far as it says where a tag is.
package struct Sighting: Sendable, Equatable {
    /// least(scanned_at, received_at), microseconds since 1970-01-01 UTC: the first word on the order of a tag's scans.
    package var orderedAt: Int64
    package var log: JournalID
    package var seq: Int64
    /// The journal's row in the database.
    package var journal: Int64
    package var isOut: Bool
    /// A check without passage: never moves presence.
    package var isInspection: Bool
    package var gate: Int64?

    package init(
        orderedAt: Int64, log: JournalID, seq: Int64, journal: Int64, isOut: Bool, isInspection: Bool, gate: Int64?
    ) {
        (self.orderedAt, self.log, self.seq, self.journal) = (orderedAt, log, seq, journal)
        (self.isOut, self.isInspection, self.gate) = (isOut, isInspection, gate)
    }

    /// The order of section 4 of SPEC.md: time, log, seq.
    package func isAfter(_ other: Sighting) -> Bool {
        if orderedAt != other.orderedAt { return orderedAt > other.orderedAt }
        if log != other.log { return log > other.log }
        return seq > other.seq
    }
}

/// Folds stored scans into the last sighting of each tag: pure, so that any order of arrival can be tried.
package struct PresenceFold: Sendable {
    /// Of so many passages all are kept, in the order in which they came; of more, none.
    package static let passagesLimit = 2_000

    private var latest: [Int64: Sighting] = [:]
    private var kept: [(tag: Int64, sighting: Sighting)] = []
    private var count = 0

    package init() {}

    /// A scan with verdict 0 that nothing annuls. An inspection moves nobody.
    package mutating func admit(_ tag: Int64, _ sighting: Sighting) {
        if sighting.isInspection { return }
        count += 1
        if count <= PresenceFold.passagesLimit { kept.append((tag, sighting)) }
        if let known = latest[tag], !sighting.isAfter(known) { return }
        latest[tag] = sighting
    }

    /// The last sighting by tag, in the order of tags.
    package var sorted: [(tag: Int64, sighting: Sighting)] {
        latest.map { (tag: $0.key, sighting: $0.value) }.sorted { $0.tag < $1.tag }
    }

    /// All that moved somebody, in no order; nil when they are more than `passagesLimit`.
    package var passages: [(tag: Int64, sighting: Sighting)]? { count <= PresenceFold.passagesLimit ? kept : nil }
}
