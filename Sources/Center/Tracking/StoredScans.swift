package import ScanModel

/// A run of stored scans of one batch: one row of `tapline_internal.tracking_queue`, with its contents.
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
    /// Time of each scan in the order of a tag's scans, microseconds since 1970-01-01 UTC; `nil` if no scan of the run
    /// was made under an untrusted clock.
    package var placedMicros: ArraySlice<Int64>?
    /// Whether the journal already held scans above these. Then an annulment may refer to another admission than
    /// before.
    package var isBehind: Bool

    /// A run. `atMs`, `tags`, `verdicts`, `flags` and `placedMicros` must have equal lengths.
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
    func orderedMicros(_ offset: Int) -> Int64 {
        if let placedMicros { return placedMicros[placedMicros.startIndex + offset] }
        return min(baseMicros + Int64(atMs[atMs.startIndex + offset]) * 1_000, receivedMicros)
    }

    /// The earliest and the latest time (`orderedMicros`) of the scans.
    var span: ClosedRange<Int64> {
        if let first = placedMicros?.min(), let last = placedMicros?.max() { return first...last }
        let first = min(baseMicros + Int64(atMs.min() ?? 0) * 1_000, receivedMicros)
        return first...max(first, min(baseMicros + Int64(atMs.max() ?? 0) * 1_000, receivedMicros))
    }

    /// The offsets of the annulments (verdict 64) that name a tag.
    var annulments: [Int] {
        guard verdicts.contains(Verdict.annulled.rawValue) else { return [] }
        return (0..<count).filter {
            verdicts[verdicts.startIndex + $0] == Verdict.annulled.rawValue
                && tags[tags.startIndex + $0] != TagID.none.rawValue
        }
    }
}

extension StoredScans {
    /// Assembles runs from database rows in the order of (journal, seq).
    ///
    /// A run ends where the seqs are not consecutive, or where the gate or the time of receipt changes. The order of
    /// storage is not known, so all runs are marked as `isBehind`.
    struct Builder {
        private var runs: [StoredScans] = []
        private var open: StoredScans?
        private var columns = Columns()

        private struct Columns {
            var atMs: [Int32] = []
            var tags: [Int64] = []
            var verdicts: [UInt8] = []
            var flags: [UInt8] = []
            /// Times of the flagged scans; `nil` for the others.
            var placedMicros: [Int64?] = []
            var hasPlace = false
        }

        mutating func add(
            journal: Int64, seq: Int64, tag: Int64, atMicros: Int64, verdict: UInt8, flags: UInt8, gate: Int64?,
            receivedMicros: Int64, scanner: @autoclosure () -> String, journalID: @autoclosure () -> JournalID,
            placedMicros: Int64?
        ) {
            if let open, open.journal == journal, open.first + Int64(columns.tags.count) == seq, open.gate == gate,
                open.receivedMicros == receivedMicros, let atMs = Int32(exactly: (atMicros - open.baseMicros) / 1_000)
            {
                columns.atMs.append(atMs)
            } else {
                close()
                open = StoredScans(
                    journal: journal, scanner: scanner(), journalID: journalID(), first: seq, baseMicros: atMicros,
                    atMs: [], tags: [], verdicts: [], flags: [], gate: gate, receivedMicros: receivedMicros,
                    isBehind: true)
                columns.atMs.append(0)
            }
            columns.tags.append(tag)
            columns.verdicts.append(verdict)
            columns.flags.append(flags)
            columns.placedMicros.append(placedMicros)
            if placedMicros != nil { columns.hasPlace = true }
        }

        mutating func finish() -> [StoredScans] {
            close()
            return runs
        }

        private mutating func close() {
            guard var run = open else { return }
            run.atMs = columns.atMs[...]
            run.tags = columns.tags[...]
            run.verdicts = columns.verdicts[...]
            run.flags = columns.flags[...]
            if columns.hasPlace {
                let times = (0..<run.count).map { columns.placedMicros[$0] ?? run.orderedMicros($0) }
                run.placedMicros = times[...]
            }
            runs.append(run)
            open = nil
            columns = Columns()
        }
    }
}
