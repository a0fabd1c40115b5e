package import ScanModel

/// The last tap of each tag in each direction.
///
/// A tag that stays at the reader is read again and again. Within the gate's `debounce_ms`, a tap of the same tag and
/// direction repeats the journaled verdict. It adds no second row. Times are those of the taps.
///
/// The lane clears this memory when its mode, its gate or its snapshot changes, because the verdict may then differ.
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

        /// Creates an answer from a journaled scan.
        ///
        /// - Parameters:
        ///   - journalID: ID of the journal that holds the scan.
        ///   - scan: the scan.
        ///   - proof: the evidence for the tag's identity; `nil` for a manual admission.
        package init(journalID: JournalID, scan: Scan, proof: Tap.Proof? = nil) {
            self.journalID = journalID
            self.scan = scan
            self.proof = proof
        }
    }

    private struct Key: Hashable {
        var tag: TagID
        var isOut: Bool
    }

    private var young: [Key: JournaledTap] = [:]
    private var old: [Key: JournaledTap] = [:]

    /// Creates a memory without taps.
    package init() {}

    /// Returns the journaled tap whose verdict this tap repeats, and remembers the tap's proof.
    ///
    /// A chip's counter increases on each read while it stays in the field. A lower counter than the last one is a
    /// different message, not a repeat of it.
    ///
    /// - Parameters:
    ///   - atMs: time of the tap, in milliseconds since 1970.
    ///   - windowMs: debounce window in milliseconds; 0 disables debouncing.
    /// - Returns: `nil` if the tap is a new one.
    package mutating func repeatedTap(
        _ tag: TagID, _ direction: Direction, _ proof: Tap.Proof, atMs: Int64, windowMs: Int
    ) -> JournaledTap? {
        guard windowMs > 0 else { return nil }
        let key = Key(tag: tag, isOut: direction == .out)
        guard let last = young[key] ?? old[key], (0..<Int64(windowMs)).contains(atMs - last.scan.atMs),
            last.proof.map({ proof.isRepeat(of: $0) }) ?? true
        else { return nil }
        if young[key] != nil { young[key]?.proof = proof } else { old[key]?.proof = proof }
        return last
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
        young[key] = tap
    }

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
