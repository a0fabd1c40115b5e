package import ScanModel

/// A scan batch, version 1 (SPEC.md section 3): scans `first`, `first + 1`, ... of one journal, column by column, all
/// under one gate and one snapshot. Without scans it is a heartbeat, and `first` is the next unsent seq.
package struct ScanBatch: Equatable, Sendable {
    /// The scanner's journal before this one, and its last seq: makes a lost tail visible as a gap.
    package struct After: Hashable, Sendable {
        package var log: JournalID
        /// 0: that journal held no scan.
        package var lastSeq: Int64

        package init(log: JournalID, lastSeq: Int64) { (self.log, self.lastSeq) = (log, lastSeq) }
    }

    /// A value of `state`, for the fleet view.
    package enum StateValue: Hashable, Sendable {
        case text(String)
        case int(Int64)
        /// Finite.
        case double(Double)
    }

    /// As sent: whether it is an identity, and whose, is found out by comparing it with the routing key.
    package var scanner: String
    package var log: JournalID
    /// 1 and more.
    package var first: Int64
    package var after: After?
    /// Device clock, microseconds since 1970-01-01 UTC, a multiple of 1,000.
    package var baseMicros: Int64
    /// Milliseconds from `baseMicros`, one a scan.
    package var atMs: [Int32]
    package var tags: [Int64]
    package var verdicts: [UInt8]
    package var flags: [UInt8]
    /// Nil: the scanner's default gate at receipt.
    package var gate: Int64?
    /// 0: none.
    package var snapshot: Int64
    /// Device clock at this publish, microseconds since 1970-01-01 UTC.
    package var sentMicros: Int64
    /// Scans in the scanner's journals after this batch.
    package var backlog: Int64
    package var state: [String: StateValue]

    /// Scans in it.
    package var count: Int { atMs.count }
    /// The seq of its last scan; `first - 1` for a heartbeat.
    package var last: Int64 { first + Int64(count) - 1 }
    /// Device time of the scan at `index` (0 ..< count), microseconds since 1970-01-01 UTC.
    package func time(_ index: Int) -> Int64 { baseMicros + Int64(atMs[index]) * 1_000 }
    /// The scan at `index` (0 ..< count).
    package subscript(index: Int) -> Scan {
        Scan(
            seq: first + Int64(index), atMs: time(index) / 1_000, tag: TagID(rawValue: tags[index]),
            verdict: Verdict(rawValue: verdicts[index]), flags: Flags(rawValue: flags[index]), gate: gate,
            snapshot: snapshot)
    }
}

extension ScanBatch {
    /// Largest body, in bytes.
    package static let bodyLimitBytes = 1 << 20
    /// Most scans in a batch: 14 bytes each leave the body far below its limit.
    package static let scansLimit = 10_000

    /// How many of the leading `scans` fit into one batch: seqs without a gap, one gate, one snapshot, times within
    /// 24 days of the first (sint32 milliseconds), at most 10,000. 0 only when there are none.
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

    /// The same for a whole array.
    package static func cut(_ scans: [Scan]) -> Int { cut(scans[...]) }

    /// A batch of one or more scans that fit together (`cut`); anything else is a programmer's error.
    package init(
        scanner: ScannerID, log: JournalID, scans: ArraySlice<Scan>, after: After? = nil, sentMicros: Int64,
        backlog: Int64, state: [String: StateValue] = [:]
    ) {
        guard let head = scans.first, ScanBatch.cut(scans) == scans.count else {
            preconditionFailure("scans that do not fit one batch")
        }
        self.init(
            heartbeatOf: scanner, log: log, next: head.seq, gate: head.gate, snapshot: head.snapshot,
            sentMicros: sentMicros, backlog: backlog, state: state)
        self.after = after
        baseMicros = head.atMs * 1_000
        atMs = scans.map { Int32($0.atMs - head.atMs) }
        tags = scans.map(\.tag.rawValue)
        verdicts = scans.map(\.verdict.rawValue)
        flags = scans.map(\.flags.rawValue)
    }

    /// A batch without scans: "alive, and this is the next seq".
    package init(
        heartbeatOf scanner: ScannerID, log: JournalID, next: Int64, gate: Int64?, snapshot: Int64, sentMicros: Int64,
        backlog: Int64, state: [String: StateValue] = [:]
    ) {
        (self.scanner, self.log, self.first, after) = (scanner.text, log, next, nil)
        baseMicros = sentMicros / 1_000 * 1_000
        (atMs, tags, verdicts, flags) = ([], [], [], [])
        (self.gate, self.snapshot, self.sentMicros) = (gate, snapshot, sentMicros)
        (self.backlog, self.state) = (backlog, state)
    }
}
