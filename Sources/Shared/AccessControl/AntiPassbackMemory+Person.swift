import ScanModel

/// The notes of one person. Made to be small: a lane keeps some 10,000 of them.
struct Person: Hashable, Sendable {
    /// When the person was noted to be in a zone, in one word. The highest of its kind in time is not the last noted.
    struct Mark: Hashable, Sendable {
        private static let zoneBits: UInt64 = 20
        private let word: UInt64

        /// - Parameters:
        ///   - zone: by `ZoneNumbers`; 0: off site.
        ///   - ms: in 1970 ..< 2200, which has 43 bits.
        init(zone: UInt32 = 0, ms: Int64 = 0, isTrusted: Bool = true) {
            word = UInt64(max(0, ms)) << (Mark.zoneBits + 1) | UInt64(zone) << 1 | (isTrusted ? 1 : 0)
        }

        var zone: UInt32 { UInt32(truncatingIfNeeded: word >> 1) & (1 << UInt32(Mark.zoneBits) - 1) }
        var ms: Int64 { Int64(word >> (Mark.zoneBits + 1)) }
        /// Whether the clock was.
        var isTrusted: Bool { word & 1 == 1 }
    }

    struct Admission: Hashable, Sendable {
        /// The latest instant of all: decides on the day.
        var newest: Mark
        /// The instant of the last noted, by its own clock.
        var last: Mark
    }

    private(set) var position = Mark()
    /// The last noted; the only one where a scanner serves one gate. Zone 0: none.
    private var lastAdmission = Admission(newest: Mark(), last: Mark())
    /// Into other zones, in the order in which they were noted last.
    private var earlier: [Admission] = []

    /// The latest instant of all notes.
    var newestMs: Int64 {
        earlier.reduce(max(position.ms, lastAdmission.newest.ms)) { max($0, $1.newest.ms) }
    }

    /// The last noted comes last.
    func forEachAdmission(_ body: (Admission) -> Void) {
        for admission in earlier { body(admission) }
        if lastAdmission.newest.zone != 0 { body(lastAdmission) }
    }

    /// A position never gets older while the person is on site: else a jump of the clock ahead, and back, would forget it.
    mutating func move(to zone: UInt32, _ ms: Int64) {
        position = Mark(zone: zone, ms: position.zone == 0 ? ms : max(ms, position.ms))
    }

    mutating func admit(into zone: UInt32, _ ms: Int64, lastMs: Int64, isTrusted: Bool) {
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
            newest: Mark(zone: zone, ms: newestMs), last: Mark(zone: zone, ms: lastMs, isTrusted: isTrusted))
    }
}

/// Small numbers for the zones of this lane's gates, from 1; zone IDs have 64 bits.
struct ZoneNumbers: Sendable {
    private var ids: [Int64] = []

    /// Nil for 0: off site.
    func id(_ number: UInt32) -> Int64? { number == 0 ? nil : ids[Int(number) - 1] }

    mutating func number(_ id: Int64) -> UInt32 {
        // A scanner serves a handful of gates in its life.
        if let index = ids.firstIndex(of: id) { return UInt32(index + 1) }
        ids.append(id)
        return UInt32(ids.count)
    }
}

/// What was there before the last admission of each tag, of the latest few thousand: an annulment follows within seconds.
struct UndoLog: Sendable {
    /// Tags in each of two generations.
    static let generation = 1_024

    struct Entry: Sendable {
        /// Nil: the tag was on no list.
        var owner: Int64?
        var before: Person?
        var after: Person
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

    mutating func take(_ tag: TagID) -> Entry? {
        let late = young.removeValue(forKey: tag.rawValue)
        let early = old.removeValue(forKey: tag.rawValue)
        return late ?? early
    }
}
