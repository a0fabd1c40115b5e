public import Scans

/// One admission, as far as it says where a tag is.
public struct Sighting: Sendable, Equatable {
    /// least(scanned_at, received_at), microseconds since 1970-01-01 UTC: the first word on the order of a tag's scans.
    public var orderedAt: Int64
    public var log: JournalID
    public var seq: Int64
    /// The journal's row in the database.
    public var journal: Int64
    public var isOut: Bool
    /// A check without passage: never moves presence, but an annulment may mean it.
    public var isInspection: Bool
    public var gate: Int64?

    public init(
        orderedAt: Int64, log: JournalID, seq: Int64, journal: Int64, isOut: Bool, isInspection: Bool, gate: Int64?
    ) {
        (self.orderedAt, self.log, self.seq, self.journal) = (orderedAt, log, seq, journal)
        (self.isOut, self.isInspection, self.gate) = (isOut, isInspection, gate)
    }

    /// The order of section 4 of SPEC.md: time, log, seq.
    public func isAfter(_ other: Sighting) -> Bool {
        if orderedAt != other.orderedAt { return orderedAt > other.orderedAt }
        if log != other.log { return log > other.log }
        return seq > other.seq
    }
}

/// Folds the new scans of one group into the last sighting of each tag: pure, so that any order of arrival can be tried.
///
/// Only scans that stand above what their journal held may come here; what fills in behind, in a journal with annulments,
/// changes the meaning of older scans and is computed anew from the database.
public struct PresenceFold: Sendable {
    /// An annulment whose scan is not among those of this group.
    public struct ReachingBack: Sendable, Hashable {
        public var tag: Int64
        public var journal: Int64
        public var seq: Int64

        public init(tag: Int64, journal: Int64, seq: Int64) {
            (self.tag, self.journal, self.seq) = (tag, journal, seq)
        }
    }

    private enum Entry {
        case admitted(Sighting)
        case annulled
    }
    private struct Place: Hashable {
        let tag: Int64
        let journal: Int64
    }

    private let doubtful: Set<Int64>
    private var latest: [Int64: Sighting] = [:]
    private var entries: [Place: [(seq: Int64, entry: Entry)]] = [:]

    /// - Parameter doubtful: all tags that this group annuls; only theirs are looked at twice.
    public init(doubtful: Set<Int64> = [], expectedTags: Int = 0) {
        self.doubtful = doubtful
        latest.reserveCapacity(expectedTags)
    }

    /// A scan with verdict 0.
    public mutating func admit(_ tag: Int64, _ sighting: Sighting) {
        if !doubtful.isEmpty, doubtful.contains(tag) {
            entries[Place(tag: tag, journal: sighting.journal), default: []].append((sighting.seq, .admitted(sighting)))
        } else if !sighting.isInspection {
            keep(tag, sighting)
        }
    }

    /// A scan with verdict 64; its tag is one of `doubtful`.
    public mutating func annul(_ tag: Int64, journal: Int64, seq: Int64) {
        precondition(doubtful.contains(tag), "annulled without doubt")
        entries[Place(tag: tag, journal: journal), default: []].append((seq, .annulled))
    }

    /// The last sighting that stands, by tag, in the order of tags; and the annulments that mean older scans.
    public mutating func finish() -> (latest: [(tag: Int64, sighting: Sighting)], reachingBack: [ReachingBack]) {
        var reachingBack: [ReachingBack] = []
        for (place, found) in entries {
            var standing: [Sighting] = []
            // Two annulments in a row mean the same scan: the nearest earlier admission, standing or not.
            var nearest: (sighting: Sighting, isAnnulled: Bool)?
            for (seq, entry) in found.sorted(by: { $0.seq < $1.seq }) {
                switch entry {
                case .admitted(let sighting):
                    if let nearest, !nearest.isAnnulled { standing.append(nearest.sighting) }
                    nearest = (sighting, false)
                case .annulled:
                    if nearest == nil {
                        reachingBack.append(ReachingBack(tag: place.tag, journal: place.journal, seq: seq))
                    }
                    nearest?.isAnnulled = true
                }
            }
            if let nearest, !nearest.isAnnulled { standing.append(nearest.sighting) }
            for sighting in standing where !sighting.isInspection { keep(place.tag, sighting) }
        }
        entries = [:]
        let sorted = latest.map { (tag: $0.key, sighting: $0.value) }.sorted { $0.tag < $1.tag }
        return (sorted, reachingBack)
    }

    private mutating func keep(_ tag: Int64, _ sighting: Sighting) {
        if let known = latest[tag], !sighting.isAfter(known) { return }
        latest[tag] = sighting
    }
}
