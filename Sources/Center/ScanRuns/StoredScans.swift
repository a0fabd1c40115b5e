package import ScanModel

/// Consecutive stored scans of one journal: what a batch adds, or one row of `tapline_internal.tracking_queue` with its
/// contents.
///
/// Columns of equal length, one element per scan. Seqs increase by one from `first`.
package struct StoredScans: Sendable {
    /// The row ID of the journal.
    package var journal: Int64
    /// The scanner ID.
    package var scanner: String
    /// ID of the journal.
    package var journalID: JournalID
    /// Seq of the first scan.
    package var first: Int64
    /// Base of the device times, microseconds since 1970-01-01 UTC.
    package var baseMicros: Int64
    /// Device times in milliseconds from `baseMicros`.
    package var atMs: ArraySlice<Int32>
    /// Tag IDs.
    package var tags: ArraySlice<Int64>
    /// Raw values of `Verdict`.
    package var verdicts: ArraySlice<UInt8>
    /// Raw values of the flags of a scan.
    package var flags: ArraySlice<UInt8>
    /// ID of the gate; `nil` if the scanner had none.
    package var gate: Int64?
    /// Version of the snapshot in use; 0 without one.
    package var snapshot: Int64
    /// Center clock, microseconds since 1970-01-01 UTC.
    package var receivedMicros: Int64
    /// Receipt of each scan, in microseconds from `receivedMicros`; `nil` if all arrived together.
    package var receivedUs: ArraySlice<Int64>?
    /// Time of each scan in the order of a tag's scans, microseconds since 1970-01-01 UTC; `nil` if no scan of the run
    /// was made under an untrusted clock.
    package var placedMicros: ArraySlice<Int64>?
    /// Whether the journal already held scans above these. Then an annulment may refer to another admission than
    /// before.
    package var isBehind: Bool

    /// Consecutive scans that arrived together. `atMs`, `tags`, `verdicts`, `flags` and `placedMicros` must have equal
    /// lengths.
    package init(
        journal: Int64, scanner: String, journalID: JournalID, first: Int64, baseMicros: Int64,
        atMs: ArraySlice<Int32>, tags: ArraySlice<Int64>, verdicts: ArraySlice<UInt8>, flags: ArraySlice<UInt8>,
        gate: Int64?, snapshot: Int64 = 0, receivedMicros: Int64, placedMicros: ArraySlice<Int64>? = nil,
        isBehind: Bool
    ) {
        precondition(atMs.count == tags.count && atMs.count == verdicts.count && atMs.count == flags.count)
        precondition(placedMicros.map { $0.count == atMs.count } ?? true)
        self.journal = journal
        self.scanner = scanner
        self.journalID = journalID
        self.first = first
        self.baseMicros = baseMicros
        self.atMs = atMs
        self.tags = tags
        self.verdicts = verdicts
        self.flags = flags
        self.gate = gate
        self.snapshot = snapshot
        self.receivedMicros = receivedMicros
        self.placedMicros = placedMicros
        self.isBehind = isBehind
    }

    /// Number of scans.
    package var count: Int { atMs.count }

    /// Returns the time of a scan, as `tapline.scan_time` in SQL, microseconds since 1970-01-01 UTC.
    ///
    /// This is the only place in Swift where the time of a stored scan is derived.
    ///
    /// - Parameter offset: 0 ..< `count`.
    package func orderedMicros(_ offset: Int) -> Int64 {
        if let placedMicros { return placedMicros[placedMicros.startIndex + offset] }
        return min(baseMicros + Int64(atMs[atMs.startIndex + offset]) * 1_000, receivedMicros(offset))
    }

    /// The earliest and the latest time (`orderedMicros`) of the scans.
    package var span: ClosedRange<Int64> { span(deviceSpan) }

    /// Returns `span` from `deviceSpan`.
    func span(_ device: ClosedRange<Int64>) -> ClosedRange<Int64> {
        if let first = placedMicros?.min(), let last = placedMicros?.max() { return first...last }
        guard receivedUs == nil else {
            let times = (0..<count).map(orderedMicros)
            return (times.min() ?? receivedMicros)...(times.max() ?? receivedMicros)
        }
        let first = min(device.lowerBound, receivedMicros)
        return first...max(first, min(device.upperBound, receivedMicros))
    }

    /// The earliest and the latest time of the scans by the device clock.
    var deviceSpan: ClosedRange<Int64> {
        guard var first = atMs.first else { return baseMicros...baseMicros }
        var last = first
        for at in atMs {
            first = min(first, at)
            last = max(last, at)
        }
        return (baseMicros + Int64(first) * 1_000)...(baseMicros + Int64(last) * 1_000)
    }

    /// Returns when a scan arrived, microseconds since 1970-01-01 UTC.
    ///
    /// - Parameter offset: 0 ..< `count`.
    package func receivedMicros(_ offset: Int) -> Int64 {
        guard let receivedUs else { return receivedMicros }
        return receivedMicros + receivedUs[receivedUs.startIndex + offset]
    }

    /// Returns some of these scans.
    ///
    /// - Parameter offsets: within 0 ..< `count`.
    package func part(_ offsets: Range<Int>) -> StoredScans {
        func slice<Element>(_ column: ArraySlice<Element>) -> ArraySlice<Element> {
            column[(column.startIndex + offsets.lowerBound)..<(column.startIndex + offsets.upperBound)]
        }
        var part = self
        part.first = first + Int64(offsets.lowerBound)
        (part.atMs, part.tags) = (slice(atMs), slice(tags))
        (part.verdicts, part.flags) = (slice(verdicts), slice(flags))
        part.receivedUs = receivedUs.map(slice)
        part.placedMicros = placedMicros.map(slice)
        return part
    }

    /// The offsets of the annulments (verdict 64) that name a tag.
    package var annulments: [Int] {
        let (annulled, none) = (Verdict.annulled.rawValue, TagID.none.rawValue)
        guard verdicts.contains(annulled) else { return [] }
        return (0..<count).filter {
            verdicts[verdicts.startIndex + $0] == annulled && tags[tags.startIndex + $0] != none
        }
    }
}

extension StoredScans {
    /// The scans of a stored run within a range of seqs.
    ///
    /// The order of storage is not known, so `isBehind` is `true`.
    ///
    /// - Parameters:
    ///   - run: the row.
    ///   - seqs: overlaps the run (precondition).
    ///   - scanner: the scanner ID.
    ///   - journalID: ID of the journal.
    package init(_ run: ScanRun, within seqs: ClosedRange<Int64>, scanner: String, journalID: JournalID) {
        self.init(
            journal: run.journal, scanner: scanner, journalID: journalID, first: run.first, baseMicros: run.baseMicros,
            atMs: run.atMs, tags: run.tags, verdicts: run.verdicts, flags: run.flags, gate: run.gate,
            snapshot: run.snapshot, receivedMicros: run.receivedMicros, isBehind: true)
        receivedUs = run.receivedUs
        let held = seqs.clamped(to: run.first...run.last)
        if held != run.first...run.last {
            self = part(Int(held.lowerBound - run.first)..<Int(held.upperBound - run.first + 1))
        }
    }
}
