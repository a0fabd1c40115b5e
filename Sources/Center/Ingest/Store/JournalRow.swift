import Postgres
import ScanBatchCodec
import ScanModel

/// A scanner's journal, as the center knows it.
struct JournalKey: Hashable {
    let log: JournalID
    let scanner: String

    var uuid: PostgresUUID { PostgresUUID(high: log.high, low: log.low) }
}

/// One row of `tapline.journals`, locked, and what the group does to it.
struct JournalRow {
    let id: Int64
    let key: JournalKey
    var ledger: JournalLedger
    let gapsBefore: SeqGaps
    let nextBefore: Int64
    /// Scans with verdict 64, stored before and by this group.
    var annulments: Int64
    var skews: SkewWindow

    // Of this group, in scans.
    var received: Int64 = 0
    var stored: Int64 = 0
    var duplicates: Int64 = 0
    var conflicts: Int64 = 0

    // As the last batch said.
    var isTouched = false
    var receivedMicros: Int64 = 0
    var backlog: Int64 = 0
    var snapshot: Int64 = 0
    /// As sent; nil: the scanner's default.
    var gate: Int64?
    var state: String?
    /// From `after` of a later journal.
    var announced: Int64 = 0

    let retired: Int64

    init(
        id: Int64, key: JournalKey, last: Int64, next: Int64, annulments: Int64, skews: [Int64], announced: Int64,
        retired: Int64, gaps: SeqGaps
    ) {
        self.retired = retired
        (self.id, self.key, self.announced) = (id, key, announced)
        ledger = JournalLedger(last: last, gaps: gaps, retired: retired)
        (gapsBefore, nextBefore) = (gaps, next)
        self.annulments = annulments
        self.skews = SkewWindow(skews)
    }

    /// Takes note of a publish, heartbeats included.
    mutating func hear(_ batch: ScanBatch, _ delivery: IngestDelivery) {
        isTouched = true
        receivedMicros = max(receivedMicros, delivery.receivedMicros)
        (backlog, snapshot, gate) = (batch.backlog, batch.snapshot, batch.gate)
        state = StateText.json(batch.state) ?? state
        if !delivery.isByHand { skews.add(delivery.receivedMicros - batch.sentMicros) }
    }

    mutating func announce(_ seq: Int64) { announced = max(announced, seq) }

    mutating func count(_ verdict: JournalLedger.Classification, of batch: ScanBatch) {
        received += Int64(batch.count)
        duplicates += Int64(verdict.duplicates)
        conflicts += Int64(verdict.conflicts.count)
        stored += Int64(batch.count - verdict.duplicates - verdict.conflicts.count)
    }
}
