package import Postgres
import ScanModel

/// A row of `tapline_internal.scan_runs`: at most `scansLimit` consecutive scans of one journal, as columns.
///
/// Columns of equal length, one element per scan. Times are microseconds since 1970-01-01 UTC.
package struct ScanRun: Sendable, Equatable {
    /// Maximum number of scans, as in the constraint of the table. The run that holds a seq begins less than this many
    /// seqs below it.
    package static let scansLimit = 512

    /// The row ID of the journal.
    package var journal: Int64
    /// Seq of the first scan.
    package var first: Int64
    /// ID of the gate; `nil` if the scanner had none.
    package var gate: Int64?
    /// Version of the snapshot in use; 0 without one.
    package var snapshot: Int64
    /// Receipt of the scan that arrived first, center clock.
    package var receivedMicros: Int64
    /// Receipt of each scan, in microseconds from `receivedMicros`; `nil` if all arrived together.
    package var receivedUs: ArraySlice<Int64>?
    /// Base of the device times.
    package var baseMicros: Int64
    /// Device times in milliseconds from `baseMicros`.
    package var atMs: ArraySlice<Int32>
    /// Tag IDs.
    package var tags: ArraySlice<Int64>
    /// Raw values of `Verdict`.
    package var verdicts: ArraySlice<UInt8>
    /// Raw values of the flags of a scan.
    package var flags: ArraySlice<UInt8>
    /// Not later than any time of a scan: by the device clock, and by `StoredScans.orderedMicros`.
    package var earliestMicros: Int64
    /// Not earlier than any of these times.
    package var latestMicros: Int64

    /// Number of scans.
    package var count: Int { tags.count }
    /// Seq of the last scan.
    package var last: Int64 { first + Int64(count) - 1 }

    /// Returns the rows that hold a run of stored scans: one, or several if it exceeds `scansLimit`.
    package static func rows(of scans: StoredScans) -> [ScanRun] {
        if scans.count <= scansLimit { return [ScanRun(scans)] }
        return stride(from: 0, to: scans.count, by: scansLimit).map {
            ScanRun(scans.part($0..<min($0 + scansLimit, scans.count)))
        }
    }

    private init(_ scans: StoredScans) {
        precondition((1...ScanRun.scansLimit).contains(scans.count), "a run has 1 to \(ScanRun.scansLimit) scans")
        journal = scans.journal
        first = scans.first
        gate = scans.gate
        snapshot = scans.snapshot
        receivedMicros = scans.receivedMicros
        receivedUs = scans.receivedUs
        baseMicros = scans.baseMicros
        atMs = scans.atMs
        tags = scans.tags
        verdicts = scans.verdicts
        flags = scans.flags
        let device = scans.deviceSpan
        let ordered = scans.span(device)
        earliestMicros = min(device.lowerBound, ordered.lowerBound)
        latestMicros = max(device.upperBound, ordered.upperBound)
    }
}

extension ScanRun {
    /// The columns of the table, in the order of `put` and of `init(_:row:)`, for a SELECT list or a COPY.
    package static let columns = """
        journal_id, first_seq, gate_id, snapshot_version, received_at, received_us, base, at_ms, tags, verdicts, flags, \
        earliest, latest
        """
    /// Number of `columns`.
    package static let columnCount = 13
    /// Copies rows into the table. `put` fills the buffer.
    package static let copyStatement = """
        COPY tapline_internal.scan_runs (\(columns), last_seq, received_last, has_annulments, has_lane_events, tag_filter)
        FROM STDIN (FORMAT binary)
        """

    /// Appends this row, for `copyStatement`.
    package func put(into buffer: CopyBuffer) {
        buffer.beginRow(ScanRun.columnCount + 5)
        buffer.put(journal)
        buffer.put(first)
        buffer.put(gate)
        buffer.put(snapshot)
        buffer.put(timestamp: receivedMicros)
        if let receivedUs { buffer.put(receivedUs) } else { buffer.putNull() }
        buffer.put(timestamp: baseMicros)
        buffer.put(atMs)
        buffer.put(tags)
        buffer.put(bytes: ScanRun.packed(verdicts))
        buffer.put(bytes: ScanRun.packed(flags))
        buffer.put(timestamp: earliestMicros)
        buffer.put(timestamp: latestMicros)
        buffer.put(last)
        buffer.put(timestamp: receivedMicros + (receivedUs?.max() ?? 0))
        let (annulled, laneEvent) = (Verdict.annulled.rawValue, Verdict.laneNormal.rawValue)
        buffer.put(verdicts.contains(annulled))
        buffer.put(verdicts.contains { $0 >= laneEvent })
        buffer.put(bytes: TagFilter.bytes(of: tags)[...])
    }

    /// One byte stands for a column of equal bytes.
    private static func packed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let first = bytes.first, bytes.allSatisfy({ $0 == first }) else { return bytes }
        return bytes.prefix(1)
    }

    /// Reads a row of a result in binary format that begins with `columns`.
    package init(_ result: PostgresResult, row: Int) {
        journal = result.int(row, 0)
        first = result.int(row, 1)
        gate = result.optionalInt(row, 2)
        snapshot = result.int(row, 3)
        receivedMicros = result.microseconds(row, 4)
        receivedUs = result.isNull(row, 5) ? nil : result.int64s(row, 5)[...]
        baseMicros = result.microseconds(row, 6)
        atMs = result.int32s(row, 7)[...]
        let tags = result.int64s(row, 8)
        self.tags = tags[...]
        verdicts = ScanRun.unpacked(result.bytes(row, 9), tags.count)
        flags = ScanRun.unpacked(result.bytes(row, 10), tags.count)
        earliestMicros = result.microseconds(row, 11)
        latestMicros = result.microseconds(row, 12)
    }

    private static func unpacked(_ bytes: [UInt8], _ count: Int) -> ArraySlice<UInt8> {
        bytes.count == count ? bytes[...] : [UInt8](repeating: bytes[0], count: count)[...]
    }
}

extension ScanRun {
    /// Joins neighbouring runs of one journal, which are read as before.
    ///
    /// - Parameter runs: at least one run. Each further one can be joined to the runs before it (`canJoin`,
    ///   precondition).
    package static func joined(_ runs: some Collection<ScanRun>) -> ScanRun {
        guard var run = runs.first else { preconditionFailure("no run to join") }
        if runs.count == 1 { return run }
        let received = runs.map(\.receivedMicros).min() ?? run.receivedMicros
        let (base, count) = (run.baseMicros, runs.reduce(0) { $0 + $1.count })
        precondition(count <= scansLimit, "more than \(scansLimit) scans")
        var next = run.first
        var (atMs, tags, verdicts, flags): ([Int32], [Int64], [UInt8], [UInt8]) = ([], [], [], [])
        var receivedUs: [Int64] = []
        for part in runs {
            precondition(
                part.first == next && part.journal == run.journal && part.gate == run.gate
                    && part.snapshot == run.snapshot, "runs are not neighbours")
            next = part.last + 1
            let shift = (part.baseMicros - base) / 1_000
            atMs += part.atMs.map { Int32(Int64($0) + shift) }
            tags += part.tags
            verdicts += part.verdicts
            flags += part.flags
            let later = part.receivedMicros - received
            receivedUs += part.receivedUs?.map { $0 + later } ?? Array(repeating: later, count: part.count)
        }
        run.receivedMicros = received
        run.receivedUs = receivedUs.allSatisfy { $0 == 0 } ? nil : receivedUs[...]
        (run.atMs, run.tags, run.verdicts, run.flags) = (atMs[...], tags[...], verdicts[...], flags[...])
        run.earliestMicros = runs.map(\.earliestMicros).min() ?? run.earliestMicros
        run.latestMicros = runs.map(\.latestMicros).max() ?? run.latestMicros
        return run
    }

    /// Returns whether `joined` can join a run to runs that begin with this one.
    ///
    /// - Parameters:
    ///   - next: the candidate.
    ///   - end: the last seq of the runs so far.
    package func canJoin(_ next: ScanRun, after end: Int64) -> Bool {
        next.gate == gate && next.snapshot == snapshot && shift(of: next, after: end) != nil
    }

    /// Returns how much later than this run's the base of the device times of a run is, in milliseconds.
    ///
    /// - Returns: `nil` if the run does not follow, or has a time too far from this base.
    private func shift(of next: ScanRun, after end: Int64) -> Int64? {
        guard next.first == end + 1, next.last - first < ScanRun.scansLimit, next.journal == journal else { return nil }
        // The shift itself may exceed an Int32.
        let shift = (next.baseMicros - baseMicros) / 1_000
        let ends = [next.atMs.min() ?? 0, next.atMs.max() ?? 0]
        return ends.allSatisfy { Int32(exactly: Int64($0) + shift) != nil } ? shift : nil
    }

    /// Returns whether two bases of device times are over 24 days apart (an `Int32`). Such runs are not joined.
    ///
    /// - Parameters:
    ///   - base: the base of one run, microseconds since 1970-01-01 UTC.
    ///   - other: the base of the other run.
    package static func areDistant(_ base: Int64, _ other: Int64) -> Bool {
        Int32(exactly: (other - base) / 1_000) == nil
    }

    /// Appends the scans of the run that follows, if they fit: device times, tags, verdicts and flags. All other
    /// columns stay those of the first run.
    ///
    /// - Returns: whether it was appended.
    mutating func appendContents(of next: ScanRun) -> Bool {
        guard let shift = shift(of: next, after: last) else { return false }
        atMs += next.atMs.lazy.map { Int32(Int64($0) + shift) }
        tags += next.tags
        verdicts += next.verdicts
        flags += next.flags
        return true
    }
}
