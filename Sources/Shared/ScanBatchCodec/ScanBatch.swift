package import ScanModel

/// A scan batch, version 1 (contract.md section 3): consecutive scans of one journal with one gate and one snapshot, in
/// columns. A batch without scans is a heartbeat, and `first` is the next seq to send.
package struct ScanBatch: Equatable, Sendable {
    /// The previous journal of the scanner and its last seq. The center detects a lost end of that journal as a gap.
    package struct After: Hashable, Sendable {
        /// ID of that journal.
        package var journalID: JournalID
        /// 0 if that journal had no scan.
        package var lastSeq: Int64

        /// Creates a reference to the previous journal.
        ///
        /// - Parameters:
        ///   - journalID: ID of that journal.
        ///   - lastSeq: its last seq; 0 if it had no scan.
        package init(journalID: JournalID, lastSeq: Int64) {
            self.journalID = journalID
            self.lastSeq = lastSeq
        }
    }

    /// A value of `state`, for the overview of scanners.
    package enum StateValue: Hashable, Sendable {
        /// A text. The center ignores texts over 256 bytes and texts with a zero byte.
        case text(String)
        /// An integer from -2^53 to 2^53 - 1.
        case int(Int64)
        /// A finite number.
        case double(Double)
    }

    /// The scanner as sent. The center compares it with the routing key.
    package var scanner: String
    /// ID of the journal that the scans come from.
    package var journalID: JournalID
    /// Seq of the first scan, from 1.
    package var first: Int64
    /// The previous journal; `nil` without one, and in batches that do not start at seq 1.
    package var after: After?
    /// Device clock, in microseconds since 1970-01-01 UTC; a multiple of 1,000.
    package var baseMicros: Int64
    /// Time of each scan, in milliseconds after `baseMicros`.
    package var atMs: [Int32]
    /// `TagID.rawValue` of each scan.
    package var tags: [Int64]
    /// `Verdict.rawValue` of each scan.
    package var verdicts: [UInt8]
    /// `Flags.rawValue` of each scan.
    package var flags: [UInt8]
    /// ID of the gate; `nil` means the scanner's default gate at receipt.
    package var gate: Int64?
    /// Version of the snapshot; 0 without a snapshot.
    package var snapshot: Int64
    /// Device clock at the publish, in microseconds since 1970-01-01 UTC.
    package var sentMicros: Int64
    /// Number of scans in the scanner's journals after this batch.
    package var backlog: Int64
    /// State of the scanner by key, such as `software` and `disk`.
    package var state: [String: StateValue]
    /// Reasons of operators, by the index of their scan. The comparison of scans leaves them out.
    package var notes: [Int: String] = [:]
    /// Monotonic time from each tap to the publish, in milliseconds; negative if the device does not know it. `nil` if
    /// it knows none.
    package var elapsedMs: [Int32]?

    /// Number of scans.
    package var count: Int { atMs.count }
    /// Seq of the last scan; `first - 1` for a heartbeat.
    package var last: Int64 { first + Int64(count) - 1 }
    /// Returns the device time of the scan at an index from 0, in microseconds since 1970-01-01 UTC.
    package func time(_ index: Int) -> Int64 { baseMicros + Int64(atMs[index]) * 1_000 }
    /// The scan at an index from 0.
    package subscript(index: Int) -> Scan {
        Scan(
            seq: first + Int64(index), atMs: time(index) / 1_000, tag: TagID(rawValue: tags[index]),
            verdict: Verdict(rawValue: verdicts[index]), flags: Flags(rawValue: flags[index]), gate: gate,
            snapshot: snapshot)
    }
}

extension ScanBatch {
    /// Maximum size of a body, in bytes.
    package static let bodyLimitBytes = 1 << 20
    /// Maximum number of scans in a batch. With 14 bytes per scan, the body stays far below its limit.
    package static let scansLimit = 10_000
    /// Maximum number of notes in a batch.
    package static let notesLimit = 1_000
    /// Maximum size of a note, in bytes of UTF-8.
    package static let noteLimitBytes = OperatorReason.limitBytes

    /// Returns a text as a note; `nil` for an empty text.
    ///
    /// A text longer than `noteLimitBytes` is cut. Gates of earlier versions have journalled such reasons.
    package static func note(_ text: String) -> String? {
        var note = ""
        var bytes = 0
        for character in text where character != "\0" {
            bytes += character.utf8.count
            guard bytes <= noteLimitBytes else { break }
            note.append(character)
        }
        return note.isEmpty ? nil : note
    }

    /// Returns the number of leading scans that fit into one batch.
    ///
    /// These are at most 10,000 scans without a gap, with one gate and one snapshot. Their times are within 24 days of
    /// the first (32-bit milliseconds).
    ///
    /// - Parameter scans: scans of one journal.
    /// - Returns: the number of scans; 0 only without scans.
    package static func cut(_ scans: ArraySlice<Scan>) -> Int {
        guard let head = scans.first else { return 0 }
        var count = 0
        for scan in scans.prefix(scansLimit) {
            guard scan.seq == head.seq + Int64(count), scan.gate == head.gate, scan.snapshot == head.snapshot,
                Int32(exactly: scan.atMs - head.atMs) != nil
            else { break }
            count += 1
        }
        return count
    }

    /// Returns the number of leading scans that fit into one batch.
    package static func cut(_ scans: [Scan]) -> Int { cut(scans[...]) }

    /// Creates a batch.
    ///
    /// - Parameters:
    ///   - scanner: the scanner.
    ///   - journalID: ID of the journal that the scans come from.
    ///   - scans: at least one scan; all must fit into one batch (precondition, see `cut`).
    ///   - after: the previous journal of the scanner.
    ///   - sentMicros: device clock, in microseconds since 1970-01-01 UTC.
    ///   - backlog: number of scans after this batch.
    ///   - state: state of the scanner.
    ///   - notes: reasons of operators, by the index of their scan.
    package init(
        scanner: ScannerID, journalID: JournalID, scans: ArraySlice<Scan>, after: After? = nil, sentMicros: Int64,
        backlog: Int64, state: [String: StateValue] = [:], notes: [Int: String] = [:]
    ) {
        guard let head = scans.first, ScanBatch.cut(scans) == scans.count else {
            preconditionFailure("scans do not fit into one batch")
        }
        self.init(
            heartbeatOf: scanner, journalID: journalID, next: head.seq, gate: head.gate, snapshot: head.snapshot,
            sentMicros: sentMicros, backlog: backlog, state: state)
        self.after = after
        self.notes = notes
        baseMicros = head.atMs * 1_000
        atMs = scans.map { Int32($0.atMs - head.atMs) }
        tags = scans.map(\.tag.rawValue)
        verdicts = scans.map(\.verdict.rawValue)
        flags = scans.map(\.flags.rawValue)
    }

    /// Creates a heartbeat.
    ///
    /// - Parameters:
    ///   - scanner: the scanner.
    ///   - journalID: ID of the journal that the scans come from.
    ///   - next: the next seq to send.
    ///   - gate: ID of the gate; `nil` for the scanner's default gate.
    ///   - snapshot: version of the snapshot; 0 without a snapshot.
    ///   - sentMicros: device clock, in microseconds since 1970-01-01 UTC.
    ///   - backlog: number of scans in the journals.
    ///   - state: state of the scanner.
    package init(
        heartbeatOf scanner: ScannerID, journalID: JournalID, next: Int64, gate: Int64?, snapshot: Int64,
        sentMicros: Int64,
        backlog: Int64, state: [String: StateValue] = [:]
    ) {
        self.scanner = scanner.text
        self.journalID = journalID
        first = next
        after = nil
        baseMicros = sentMicros / 1_000 * 1_000
        atMs = []
        tags = []
        verdicts = []
        flags = []
        self.gate = gate
        self.snapshot = snapshot
        self.sentMicros = sentMicros
        self.backlog = backlog
        self.state = state
    }
}
