import ScanBatchCodec
import ScanRuns

/// Consecutive scans of one journal: a batch, a part of one, or a stored run.
///
/// Its columns are the fields that make two scans with the same seq the same scan (contract.md section 4). They have
/// equal lengths, and share the memory of the batch or the run.
struct ScanColumns: Sendable {
    /// Seq of the first scan.
    let first: Int64
    /// Base of the device times, microseconds since 1970-01-01 UTC.
    let baseMicros: Int64
    /// Device times in milliseconds from `baseMicros`.
    let atMs: ArraySlice<Int32>
    let tags: ArraySlice<Int64>
    let verdicts: ArraySlice<UInt8>
    let flags: ArraySlice<UInt8>

    init(
        first: Int64, baseMicros: Int64, atMs: ArraySlice<Int32>, tags: ArraySlice<Int64>, verdicts: ArraySlice<UInt8>,
        flags: ArraySlice<UInt8>
    ) {
        self.first = first
        self.baseMicros = baseMicros
        self.atMs = atMs
        self.tags = tags
        self.verdicts = verdicts
        self.flags = flags
    }

    init(_ batch: ScanBatch) {
        self.init(
            first: batch.first, baseMicros: batch.baseMicros, atMs: batch.atMs[...], tags: batch.tags[...],
            verdicts: batch.verdicts[...], flags: batch.flags[...])
    }

    init(_ run: ScanRun) {
        self.init(
            first: run.first, baseMicros: run.baseMicros, atMs: run.atMs, tags: run.tags, verdicts: run.verdicts,
            flags: run.flags)
    }

    var count: Int { atMs.count }
    /// Seq of the last scan; `first - 1` without scans.
    var last: Int64 { first + Int64(count) - 1 }

    /// Returns the scans of a range of seqs, all of which are held here.
    func part(_ range: ClosedRange<Int64>) -> ScanColumns {
        if range.lowerBound == first, range.upperBound == last { return self }
        let (lower, upper) = (Int(range.lowerBound - first), Int(range.upperBound - first))
        func slice<Element>(_ column: ArraySlice<Element>) -> ArraySlice<Element> {
            column[column.startIndex + lower...column.startIndex + upper]
        }
        return ScanColumns(
            first: range.lowerBound, baseMicros: baseMicros, atMs: slice(atMs), tags: slice(tags),
            verdicts: slice(verdicts), flags: slice(flags))
    }

    /// Returns the seqs of a range whose scans differ in two columns that both hold the whole range.
    func differences(from other: ScanColumns, in range: ClosedRange<Int64>) -> [Int64] {
        let (own, other) = (part(range), other.part(range))
        if own.holdsScans(of: other) { return [] }
        return range.filter { seq in
            let offset = Int(seq - range.lowerBound)
            return own.micros(offset) != other.micros(offset)
                || own.tags[own.tags.startIndex + offset] != other.tags[other.tags.startIndex + offset]
                || own.verdicts[own.verdicts.startIndex + offset]
                    != other.verdicts[other.verdicts.startIndex + offset]
                || own.flags[own.flags.startIndex + offset] != other.flags[other.flags.startIndex + offset]
        }
    }

    /// Compares whole columns.
    private func holdsScans(of other: ScanColumns) -> Bool {
        tags == other.tags && verdicts == other.verdicts && flags == other.flags
            && (baseMicros == other.baseMicros
                ? atMs == other.atMs : (0..<count).allSatisfy { micros($0) == other.micros($0) })
    }

    /// The device time of a scan, microseconds since 1970-01-01 UTC.
    private func micros(_ offset: Int) -> Int64 { baseMicros + Int64(atMs[atMs.startIndex + offset]) * 1_000 }
}
