package import ScanModel

/// The last tap of each tag in each direction, so that a hand that lingers at the reader gets the same answer again and no
/// second row: within the gate's `debounce_ms` of the tap that is in the journal, by the taps' own times, a tap is that tap.
///
/// The lane clears it where the same tap could get another answer: when its mode, its gate or its snapshot changes.
package struct Debounce: Sendable {
    /// Tags in each of two generations, of which the older one goes when the younger is full: a tag that comes back after
    /// so many others is no lingering hand, however long the policy's window is.
    package static let generation = 1_024

    /// What is in the journal already.
    package struct Answer: Hashable, Sendable {
        package var log: JournalID
        package var scan: Scan
        /// What stood behind the tag's identity; nil for one admitted by hand, which is whatever comes after it.
        package var proof: Tap.Proof?

        package init(log: JournalID, scan: Scan, proof: Tap.Proof? = nil) {
            (self.log, self.scan, self.proof) = (log, scan, proof)
        }
    }

    private struct Key: Hashable {
        var tag: TagID
        var isOut: Bool
    }

    private var young: [Key: Answer] = [:]
    private var old: [Key: Answer] = [:]

    package init() {}

    /// What the lane said to the same tap already; nil where this one is new.
    ///
    /// A chip that is read again while it lingers counts on; a message that is older than the last one is no repeat of it.
    ///
    /// - Parameter windowMs: 0: every tap is new.
    package mutating func answer(
        _ tag: TagID, _ direction: Direction, _ proof: Tap.Proof, atMs: Int64, windowMs: Int
    ) -> Answer? {
        guard windowMs > 0 else { return nil }
        let key = Key(tag: tag, isOut: direction == .out)
        guard let last = young[key] ?? old[key], (0..<Int64(windowMs)).contains(atMs - last.scan.atMs),
            last.proof.map({ proof.isRepeat(of: $0) }) ?? true
        else { return nil }
        if young[key] != nil { young[key]?.proof = proof } else { old[key]?.proof = proof }
        return last
    }

    /// Notes a scan that is in the journal. An annulment makes the tag's next tap a new one, and an admission its next one the
    /// other way; lane events are no taps.
    package mutating func note(_ answer: Answer) {
        let scan = answer.scan
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
        young[key] = answer
    }

    /// Makes every tap a new one.
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
