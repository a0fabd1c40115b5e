package import ScanModel

/// The last tap of each tag in each direction.
///
/// A tag that stays at the reader is read again and again. Within the gate's `debounce_ms`, a tap of the same tag and
/// direction repeats the journaled verdict. It adds no second row. Times are those of the taps.
///
/// Entries outlive a change of the lane's snapshot or mode: a double read must not become a second tap. `Match` says
/// that the rules have changed, and the lane then compares the verdicts. A change of the gate clears this memory.
package struct Debounce: Sendable {
    /// Tags in each of two generations. When the younger one is full, the older one is dropped: after 1,024 other tags
    /// the tag has left the reader.
    package static let generation = 1_024

    /// A journaled tap with its verdict.
    package struct JournaledTap: Hashable, Sendable {
        /// ID of the journal that holds the scan.
        package var journalID: JournalID
        /// The journaled scan with its verdict.
        package var scan: Scan
        /// The evidence for the tag's identity; `nil` for a manual admission, which any proof repeats.
        package var proof: Tap.Proof?
        /// What the lane knew of the person before the scan.
        package var presence: PriorPresence

        /// Creates an answer from a journaled scan.
        ///
        /// - Parameters:
        ///   - journalID: ID of the journal that holds the scan.
        ///   - scan: the scan.
        ///   - proof: the evidence for the tag's identity; `nil` for a manual admission.
        ///   - presence: what the lane knew of the person before the scan.
        package init(
            journalID: JournalID, scan: Scan, proof: Tap.Proof? = nil, presence: PriorPresence = PriorPresence()
        ) {
            self.journalID = journalID
            self.scan = scan
            self.proof = proof
            self.presence = presence
        }
    }

    /// An earlier tap that a tap repeats.
    package struct Match: Hashable, Sendable {
        /// The journaled tap with its verdict.
        package let tap: JournaledTap
        /// Whether snapshot or mode have changed since then. The verdict counts only if they still lead to it.
        package let isUnderFormerRules: Bool
    }

    private struct Entry {
        var tap: JournaledTap
        var rules: Int
    }

    private struct Key: Hashable {
        var tag: TagID
        var isOut: Bool
    }

    private var young: [Key: Entry] = [:]
    private var old: [Key: Entry] = [:]
    /// Number of changes of snapshot or mode.
    private var rules = 0

    /// Creates a memory without taps.
    package init() {}

    /// Returns the journaled tap whose verdict this tap repeats, and remembers the tap's proof.
    ///
    /// A chip's counter increases on each read while it stays in the field. A lower counter than the last one is a
    /// different message, not a repeat of it. A manual admission has no proof, and every tap of its tag repeats it.
    ///
    /// - Parameters:
    ///   - atMs: time of the tap, in milliseconds since 1970.
    ///   - windowMs: debounce window in milliseconds; 0 disables debouncing.
    /// - Returns: `nil` if the tap is a new one.
    package mutating func repeatedTap(
        _ tag: TagID, _ direction: Direction, _ proof: Tap.Proof, atMs: Int64, windowMs: Int
    ) -> Match? {
        guard windowMs > 0 else { return nil }
        let key = Key(tag: tag, isOut: direction == .out)
        guard let last = young[key] ?? old[key], (0..<Int64(windowMs)).contains(atMs - last.tap.scan.atMs),
            last.tap.proof.map({ proof.isRepeat(of: $0) }) ?? true
        else { return nil }
        if last.tap.proof != nil {
            if young[key] != nil { young[key]?.tap.proof = proof } else { old[key]?.tap.proof = proof }
        }
        return Match(tap: last.tap, isUnderFormerRules: last.rules != rules)
    }

    /// Remembers a journaled scan.
    ///
    /// After an annulment the tag's next tap is a new one in both directions. After an admission its next tap in the
    /// other direction is a new one. Lane events are ignored.
    package mutating func note(_ tap: JournaledTap) {
        let scan = tap.scan
        guard scan.tag != .none else { return }
        let key = Key(tag: scan.tag, isOut: scan.flags.contains(.out))
        if scan.verdict == .annulled || scan.verdict == .admitted {
            for isOut in [false, true] {
                young[Key(tag: scan.tag, isOut: isOut)] = nil
                old[Key(tag: scan.tag, isOut: isOut)] = nil
            }
        }
        guard scan.verdict != .annulled else { return }
        if young.count >= Debounce.generation {
            swap(&young, &old)
            young.removeAll(keepingCapacity: true)
        }
        young[key] = Entry(tap: tap, rules: rules)
    }

    /// The snapshot or the mode has changed, so that the same tap could get another verdict.
    package mutating func rulesChanged() { rules += 1 }

    /// Forgets all taps, so that each tag's next tap is a new one.
    package mutating func clear() {
        young.removeAll(keepingCapacity: true)
        old.removeAll(keepingCapacity: true)
    }
}

extension Tap.Proof {
    fileprivate func isRepeat(of last: Tap.Proof) -> Bool {
        switch (self, last) {
        case (.authentic(let counter), .authentic(let before)): counter >= before
        default: self == last
        }
    }
}
