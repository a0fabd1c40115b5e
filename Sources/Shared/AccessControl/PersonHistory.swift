import ScanModel

/// The position and the admissions of one person. Kept small, because a lane remembers about 10,000 people.
struct PersonHistory: Hashable, Sendable {
    /// A zone, a time and whether the clock was trusted, packed into one word.
    ///
    /// Marks are compared by the order in which they were noted, not by time: the latest time is not always the last
    /// noted.
    struct Mark: Hashable, Sendable {
        private static let zoneBits: UInt64 = 20
        private let word: UInt64

        /// - Parameters:
        ///   - zone: a number from `PlaceNumbers`; 0 for off site.
        ///   - ms: milliseconds since 1970, before the year 2200: 43 bits.
        init(zone: UInt32 = 0, ms: Int64 = 0, isTrusted: Bool = true) {
            word = UInt64(max(0, ms)) << (Mark.zoneBits + 1) | UInt64(zone) << 1 | (isTrusted ? 1 : 0)
        }

        var zone: UInt32 { UInt32(truncatingIfNeeded: word >> 1) & (1 << UInt32(Mark.zoneBits) - 1) }
        var ms: Int64 { Int64(word >> (Mark.zoneBits + 1)) }
        /// Whether the clock was trusted.
        var isTrusted: Bool { word & 1 == 1 }
    }

    struct Admission: Hashable, Sendable {
        /// The latest time of all admissions into the zone. It decides on which day the person was admitted.
        var newest: Mark
        /// The admission noted last, with the time of the device clock. Its zone field holds the number of the gate.
        var last: Mark
        /// The number of the gate of the admission noted last.
        var gate: UInt32 { last.zone }
    }

    private(set) var position = Mark()
    /// The admission noted last; the only one if the scanner has one gate. Zone 0 means none.
    private var lastAdmission = Admission(newest: Mark(), last: Mark())
    /// Admissions into other zones, in the order in which they were noted last.
    private var earlier: [Admission] = []

    /// The latest time of all marks, in milliseconds since 1970.
    var newestMs: Int64 {
        earlier.reduce(max(position.ms, lastAdmission.newest.ms)) { max($0, $1.newest.ms) }
    }

    /// Calls `body` for each admission. The one noted last comes last.
    func forEachAdmission(_ body: (Admission) -> Void) {
        for admission in earlier { body(admission) }
        if lastAdmission.newest.zone != 0 { body(lastAdmission) }
    }

    /// Sets the position. While the person is on site its time never decreases: a clock that jumps ahead and back would
    /// otherwise make the position too old to count.
    mutating func move(to zone: UInt32, _ ms: Int64) {
        position = Mark(zone: zone, ms: position.zone == 0 ? ms : max(ms, position.ms))
    }

    mutating func admit(into zone: UInt32, gate: UInt32, _ ms: Int64, lastMs: Int64, isTrusted: Bool) {
        var newestMs = ms
        if lastAdmission.newest.zone == zone {
            newestMs = max(newestMs, lastAdmission.newest.ms)
        } else {
            if let index = earlier.firstIndex(where: { $0.newest.zone == zone }) {
                newestMs = max(newestMs, earlier.remove(at: index).newest.ms)
            }
            if lastAdmission.newest.zone != 0 { earlier.append(lastAdmission) }
        }
        lastAdmission = Admission(
            newest: Mark(zone: zone, ms: newestMs), last: Mark(zone: gate, ms: lastMs, isTrusted: isTrusted))
    }
}

/// Small numbers from 1 for the gates of this lane, or for their zones. Their IDs have 64 bits.
struct PlaceNumbers: Sendable {
    private var ids: [Int64] = []

    /// The ID of a number; `nil` for 0, off site.
    func id(_ number: UInt32) -> Int64? { number == 0 ? nil : ids[Int(number) - 1] }

    /// The number of an ID; assigns the next number to a new one.
    mutating func number(_ id: Int64) -> UInt32 {
        // A linear search is enough: a scanner is used at a handful of gates.
        if let index = ids.firstIndex(of: id) { return UInt32(index + 1) }
        ids.append(id)
        return UInt32(ids.count)
    }
}

/// The history of each tag's person before the tag's last admission, for annulments.
///
/// Bounded to the latest few thousand tags, because an annulment follows its admission within seconds.
struct UndoLog: Sendable {
    /// Tags in each of two generations.
    static let generation = 1_024

    struct Entry: Sendable {
        /// The attendee number; `nil` for a tag that is in no snapshot.
        var owner: Int64?
        var before: PersonHistory?
        var after: PersonHistory
    }

    private var young: [Int64: Entry] = [:]
    private var old: [Int64: Entry] = [:]

    mutating func note(_ tag: TagID, _ entry: Entry) {
        if young.count >= UndoLog.generation {
            swap(&young, &old)
            young.removeAll(keepingCapacity: true)
        }
        young[tag.rawValue] = entry
    }

    /// Removes and returns the tag's last entry.
    mutating func remove(_ tag: TagID) -> Entry? {
        let late = young.removeValue(forKey: tag.rawValue)
        let early = old.removeValue(forKey: tag.rawValue)
        return late ?? early
    }
}
