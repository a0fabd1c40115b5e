import Postgres
import Runtime
import ScanBatchCodec
import ScanModel

/// The identity of a journal in the center: its journal ID and its scanner.
struct JournalKey: Hashable {
    let journalID: JournalID
    let scanner: String

    var uuid: PostgresUUID { PostgresUUID(high: journalID.high, low: journalID.low) }
}

/// A locked row of `tapline.journals`, and the changes that the group makes to it.
struct JournalRow {
    /// The columns as read.
    struct Columns {
        var id: Int64
        var last: Int64
        var next: Int64
        var annulments: Int64
        /// Received - sent of the last publishes, in microseconds, oldest first.
        var skews: [Int64]
        var announced: Int64
        var retired: Int64
    }

    let id: Int64
    let key: JournalKey
    var ledger: JournalLedger
    let gapsBefore: SeqGaps
    /// Scans with verdict 64, stored before and by this group.
    var annulments: Int64
    private(set) var skews: SkewWindow

    // Of this group, in scans.
    private(set) var received: Int64 = 0
    private(set) var stored: Int64 = 0
    private(set) var duplicates: Int64 = 0
    private(set) var conflicts: Int64 = 0

    // From the last batch of this group.
    /// Whether the group holds a batch of this journal.
    private(set) var isTouched = false
    private(set) var receivedMicros: Int64 = 0
    private(set) var backlog: Int64 = 0
    /// Time of the taps up to which all scans of the scanner have arrived with the group; `nil`: the group says nothing.
    private(set) var knownMicros: Int64?
    /// Receipt from the broker of the last batch after which the scanner had no scans left; `nil`: none.
    private(set) var emptiedMicros: Int64?
    private(set) var snapshot: Int64 = 0
    /// As sent; `nil` for the scanner's default.
    private(set) var gate: Int64?
    private var sentState: [String: ScanBatch.StateValue] = [:]
    /// JSON text; `nil` if no batch has a state.
    var state: String? { StateText.json(sentState) }
    /// The last published seq of this journal according to a heartbeat, or to the scanner's next journal (`after`); 0 if
    /// not known.
    private(set) var announced: Int64
    private let announcedBefore: Int64
    /// Whether the group has announced a later seq than the row holds.
    var hasAnnounced: Bool { announced > announcedBefore }

    init(_ columns: Columns, key: JournalKey, gaps: SeqGaps = SeqGaps()) {
        id = columns.id
        self.key = key
        ledger = JournalLedger(last: columns.last, gaps: gaps, retired: columns.retired)
        gapsBefore = gaps
        annulments = columns.annulments
        skews = SkewWindow(columns.skews)
        announced = columns.announced
        announcedBefore = columns.announced
    }

    /// Records what a batch, or a heartbeat, says about the scanner.
    mutating func recordPublish(_ batch: ScanBatch, _ delivery: IngestDelivery) {
        isTouched = true
        receivedMicros = max(receivedMicros, delivery.receivedMicros)
        backlog = batch.backlog
        snapshot = batch.snapshot
        gate = batch.gate
        if !batch.state.isEmpty { sentState = batch.state }
        // The scans before the next unsent one were published. A heartbeat can overtake them, or they were lost.
        if batch.count == 0, batch.last > ledger.last { recordEnd(batch.last) }
        recordKnown(batch, receivedMicros: delivery.receivedMicros)
        guard !delivery.isOffline else { return }
        skews.add(delivery.receivedMicros - batch.sentMicros)
        if batch.backlog == 0 { emptiedMicros = max(emptiedMicros ?? .min, delivery.receivedMicros) }
    }

    /// A scanner sends its scans in order. With no scan left, all taps before `sent` have arrived, however long the
    /// batch waited in the broker; else those up to the last one of the batch. Times are those of the device clock, as
    /// in the counts, because a device that is behind puts its taps into earlier minutes.
    private mutating func recordKnown(_ batch: ScanBatch, receivedMicros: Int64) {
        var knownMicros: Int64?
        if batch.backlog == 0 {
            knownMicros = batch.sentMicros
        } else if let atMs = batch.atMs.last, let flags = batch.flags.last {
            let isTrusted = flags & Flags.clockNotTrusted.rawValue == 0
            if isTrusted { knownMicros = batch.baseMicros + Int64(atMs) * 1_000 }
        }
        guard let knownMicros else { return }
        self.knownMicros = max(self.knownMicros ?? .min, min(knownMicros, receivedMicros))
    }

    /// Records the last published seq of this journal, from a heartbeat or from a batch of the next journal.
    mutating func recordEnd(_ seq: Int64) { announced = max(announced, seq) }

    mutating func count(_ classification: JournalLedger.Classification, of batch: ScanBatch) {
        received += Int64(batch.count)
        duplicates += Int64(classification.duplicates)
        conflicts += Int64(classification.conflicts.count)
        stored += Int64(batch.count - classification.duplicates - classification.conflicts.count)
    }
}

/// Received - sent of a journal's last publishes, in microseconds.
///
/// The smallest value is an upper bound of how far the device's clock is behind (contract.md section 4).
struct SkewWindow: Equatable, Sendable {
    static let size = 20

    /// Oldest first.
    private(set) var values: [Int64]

    init(_ values: [Int64] = []) { self.values = Array(values.suffix(SkewWindow.size)) }

    mutating func add(_ skew: Int64) {
        if values.count == SkewWindow.size { values.removeFirst() }
        values.append(skew)
    }

    /// `nil` before the first publish.
    var skew: Int64? { values.min() }
}

/// The `state` of a batch as JSON text.
enum StateText {
    /// Returns the JSON object; `nil` for an empty map, so that the row keeps its value.
    static func json(_ state: [String: ScanBatch.StateValue]) -> String? {
        guard !state.isEmpty else { return nil }
        let pairs = state.sorted { $0.key < $1.key }.map { key, value in
            let text =
                switch value {
                case .text(let text): JSONText.quote(withoutNUL(text))
                case .int(let number): String(number)
                case .double(let number): number.isFinite ? "\(number)" : "null"
                }
            return JSONText.quote(withoutNUL(key)) + ":" + text
        }
        return "{" + pairs.joined(separator: ",") + "}"
    }

    /// Replaces NUL, which jsonb cannot hold.
    private static func withoutNUL(_ text: String) -> String {
        guard text.utf8.contains(0) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value == 0 ? "\u{fffd}" : $0 }))
    }
}
