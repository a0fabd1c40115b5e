import ScanModel

/// The position and the admissions of one person. Kept small, because a lane remembers about 10,000 people.
struct PersonHistory: Hashable, Sendable {
    /// What is known of the time of a passage.
    enum Moment: Hashable, Sendable {
        /// Time of a trusted clock, in milliseconds since 1970.
        case clock(Int64)
        /// The clock was not trusted: time of the monotonic clock in this boot, in milliseconds.
        case sinceBoot(Int64)
        /// The clock was not trusted, in another boot: number of the period of doubt.
        case doubted(Int)

        /// Returns the later one of a moment and the moment noted before it.
        ///
        /// Times of trusted clocks are compared: a clock that jumps ahead and back must not make a note too old to
        /// count. Otherwise the one noted last is later.
        func latest(after other: Moment) -> Moment {
            if case .clock(let ms) = self, case .clock(let otherMs) = other { return .clock(max(ms, otherMs)) }
            return self
        }
    }

    /// A zone and a moment, packed into one word.
    ///
    /// Marks are compared by the order in which they were noted, not by time: the latest time is not always the last
    /// noted.
    struct Mark: Hashable, Sendable {
        private static let kindBits: UInt64 = 2
        private static let zoneBits: UInt64 = 19
        private let word: UInt64

        /// - Parameters:
        ///   - zone: a number from `PlaceNumbers`; 0 for off site.
        ///   - moment: the time, before the year 2200: 43 bits.
        init(zone: UInt32 = 0, _ moment: Moment = .clock(0)) {
            let (kind, number): (UInt64, Int64) =
                switch moment {
                case .clock(let ms): (0, ms)
                case .sinceBoot(let ms): (1, ms)
                case .doubted(let period): (2, Int64(period))
                }
            word = UInt64(max(0, number)) << (Mark.zoneBits + Mark.kindBits) | UInt64(zone) << Mark.kindBits | kind
        }

        var zone: UInt32 { UInt32(truncatingIfNeeded: word >> Mark.kindBits) & (1 << UInt32(Mark.zoneBits) - 1) }
        var moment: Moment {
            let number = Int64(word >> (Mark.zoneBits + Mark.kindBits))
            return switch word & 3 {
            case 0: .clock(number)
            case 1: .sinceBoot(number)
            default: .doubted(Int(number))
            }
        }
    }

    struct Admission: Hashable, Sendable {
        /// The latest moment of all admissions into the zone. It decides on which day the person was admitted.
        var newest: Mark
        /// The admission noted last. Its zone field holds the number of the gate.
        var last: Mark
        /// The number of the gate of the admission noted last.
        var gate: UInt32 { last.zone }
    }

    private(set) var position = Mark()
    /// The admission noted last; the only one if the scanner has one gate. Zone 0 means none.
    private var lastAdmission = Admission(newest: Mark(), last: Mark())
    /// Admissions into other zones, in the order in which they were noted last.
    private var earlier: [Admission] = []

    /// Whether a mark fulfils a condition.
    func contains(where condition: (Mark) -> Bool) -> Bool {
        condition(position) || condition(lastAdmission.newest) || earlier.contains { condition($0.newest) }
    }

    /// Calls `body` for each admission. The one noted last comes last.
    func forEachAdmission(_ body: (Admission) -> Void) {
        for admission in earlier { body(admission) }
        if lastAdmission.newest.zone != 0 { body(lastAdmission) }
    }

    /// Sets the position. While the person is on site its time never decreases: a clock that jumps ahead and back would
    /// otherwise make the position too old to count.
    mutating func move(to zone: UInt32, _ moment: Moment) {
        position = Mark(zone: zone, position.zone == 0 ? moment : moment.latest(after: position.moment))
    }

    mutating func admit(into zone: UInt32, gate: UInt32, _ moment: Moment) {
        var newest = moment
        if lastAdmission.newest.zone == zone {
            newest = newest.latest(after: lastAdmission.newest.moment)
        } else {
            if let index = earlier.firstIndex(where: { $0.newest.zone == zone }) {
                newest = newest.latest(after: earlier.remove(at: index).newest.moment)
            }
            if lastAdmission.newest.zone != 0 { earlier.append(lastAdmission) }
        }
        lastAdmission = Admission(newest: Mark(zone: zone, newest), last: Mark(zone: gate, moment))
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
