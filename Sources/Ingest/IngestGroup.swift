import Batches
import Postgres
import Scans
import Tracking

/// The deliveries of one transaction, and what is decided about each: no I/O here.
struct IngestGroup {
    /// A delivery that is a batch of an enrolled scanner.
    private struct Member {
        let index: Int
        let batch: ScanBatch
        let key: JournalKey
        let gate: Int64?
        var verdict = JournalLedger.Verdict()
    }

    private let deliveries: [IngestDelivery]
    private let intakes: [Intake]
    private var members: [Member] = []
    var journals: [JournalKey: JournalRow] = [:]
    private(set) var journalsWanted: Set<JournalKey> = []
    private(set) var quarantine = Quarantine()
    /// One for each delivery.
    private(set) var outcomes: [IngestOutcome]

    init(_ deliveries: [IngestDelivery], _ intakes: [Intake]) {
        (self.deliveries, self.intakes) = (deliveries, intakes)
        outcomes = Array(repeating: .taken(stored: 0, duplicates: 0, conflicts: 0), count: deliveries.count)
    }

    /// When its first delivery came.
    var receivedMicros: Int64 { deliveries.lazy.map(\.receivedMicros).min() ?? 0 }

    var scannersWanted: Set<String> {
        Set(intakes.compactMap { if case .batch(let batch) = $0 { batch.scanner } else { nil } })
    }

    /// Sorts batches of enrolled scanners from poison.
    mutating func admit(scanners: [String: ScannerRow]) {
        for (index, intake) in intakes.enumerated() {
            switch intake {
            case .poison(let error): refuse(index, error.reason, error.detail)
            case .batch(let batch):
                guard let scanner = scanners[batch.scanner] else {
                    refuse(index, .unknownScanner, "\(batch.scanner) is not enrolled")
                    continue
                }
                guard scanner.isEnabled else {
                    refuse(index, .disabledScanner, "\(batch.scanner) is disabled")
                    continue
                }
                let key = JournalKey(log: batch.log, scanner: batch.scanner)
                members.append(Member(index: index, batch: batch, key: key, gate: batch.gate ?? scanner.gate))
                journalsWanted.insert(key)
                if let previous = IngestGroup.previous(of: batch) { journalsWanted.insert(previous.key) }
            }
        }
    }

    private static func previous(of batch: ScanBatch) -> (key: JournalKey, lastSeq: Int64)? {
        guard let after = batch.after, after.log != batch.log else { return nil }
        return (JournalKey(log: after.log, scanner: batch.scanner), after.lastSeq)
    }

    private mutating func refuse(_ index: Int, _ reason: BatchError.Reason, _ detail: String) {
        quarantine.add(deliveries[index], reason, detail)
        outcomes[index] = .quarantined(reason, detail: detail)
    }

    /// What must be compared with stored scans.
    func lookups() -> [JournalKey: [ClosedRange<Int64>]] {
        var ranges: [JournalKey: [ClosedRange<Int64>]] = [:]
        for member in members {
            guard let row = journals[member.key] else { continue }
            if let range = row.ledger.lookup(first: member.batch.first, count: member.batch.count) {
                ranges[member.key, default: []].append(range)
            }
        }
        return ranges
    }

    /// Tells new from old, in order of arrival.
    mutating func decide() {
        let batches = members.map(\.batch)
        func fact(_ source: Int, _ seq: Int64) -> ScanFact {
            let batch = batches[source]
            let index = Int(seq - batch.first)
            return ScanFact(
                tag: batch.tags[index], atMicros: batch.time(index), verdict: batch.verdicts[index],
                flags: batch.flags[index])
        }
        for source in members.indices {
            let (key, batch, index) = (members[source].key, batches[source], members[source].index)
            guard var row = journals.removeValue(forKey: key) else { preconditionFailure("journal not locked") }
            let verdict = row.ledger.take(first: batch.first, count: batch.count, source: source, fact: fact)
            row.hear(batch, receivedMicros: deliveries[index].receivedMicros)
            row.count(verdict, of: batch)
            journals[key] = row
            if let previous = IngestGroup.previous(of: batch) {
                journals[previous.key]?.announce(previous.lastSeq)
            }
            members[source].verdict = verdict
            outcomes[index] = .taken(
                stored: batch.count - verdict.duplicates - verdict.conflicts.count, duplicates: verdict.duplicates,
                conflicts: verdict.conflicts.count)
            if !verdict.conflicts.isEmpty {
                quarantine.add(deliveries[index], .conflict, IngestGroup.detail(batch, verdict.conflicts))
            }
        }
    }

    private static func detail(_ batch: ScanBatch, _ conflicts: [Int64]) -> String {
        // All of them, each by itself, so that a search for one finds it: 10,000 at the most, which is a batch.
        "journal \(batch.log) seq \(conflicts.map(String.init).joined(separator: ","))"
    }

    // MARK: Scans into the database

    static let copyStatement = """
        COPY tapline.scans (journal_id, seq, tag_id, scanned_at, verdict, flags, gate_id, snapshot_version, received_at)
        FROM STDIN (FORMAT binary)
        """

    struct Presence {
        var fold: PresenceFold
        /// Tags whose older scans may have got another meaning.
        var anew: Set<Int64> = []
    }

    /// All new scans as rows, and where they put their tags.
    mutating func copy(into buffer: CopyBuffer) -> Presence {
        buffer.clear()
        let doubtful = countAnnulments()
        var presence = Presence(fold: PresenceFold(doubtful: doubtful))
        for member in members {
            guard let row = journals[member.key] else { continue }
            let received = deliveries[member.index].receivedMicros
            // What fills in behind may be what an annulment meant, or an annulment of what stands.
            let isAnew = member.verdict.isBehind && row.annulments > 0
            for range in member.verdict.new {
                IngestGroup.copy(range, of: member.batch, row, member.gate, received, into: buffer)
                if isAnew {
                    IngestGroup.collect(range, of: member.batch, into: &presence.anew)
                } else {
                    IngestGroup.fold(range, of: member.batch, row, member.gate, received, into: &presence.fold)
                }
            }
        }
        return presence
    }

    /// Raises the journals' counts of new annulments; gives their tags.
    private mutating func countAnnulments() -> Set<Int64> {
        var tags: Set<Int64> = []
        let annulled = Verdict.annulled.rawValue
        for member in members where member.batch.verdicts.contains(annulled) {
            for range in member.verdict.new {
                for index in Int(range.lowerBound - member.batch.first)...Int(range.upperBound - member.batch.first)
                where member.batch.verdicts[index] == annulled {
                    tags.insert(member.batch.tags[index])
                    journals[member.key]?.annulments += 1
                }
            }
        }
        return tags
    }

    private static func copy(
        _ range: ClosedRange<Int64>, of batch: ScanBatch, _ row: JournalRow, _ gate: Int64?, _ received: Int64,
        into buffer: CopyBuffer
    ) {
        for seq in range {
            let index = Int(seq - batch.first)
            buffer.beginRow(9)
            buffer.put(row.id)
            buffer.put(seq)
            buffer.put(batch.tags[index])
            buffer.put(timestamp: batch.time(index))
            buffer.put(Int16(batch.verdicts[index]))
            buffer.put(Int16(batch.flags[index]))
            buffer.put(gate)
            buffer.put(batch.snapshot)
            buffer.put(timestamp: received)
        }
    }

    private static func fold(
        _ range: ClosedRange<Int64>, of batch: ScanBatch, _ row: JournalRow, _ gate: Int64?, _ received: Int64,
        into fold: inout PresenceFold
    ) {
        for seq in range {
            let index = Int(seq - batch.first)
            switch batch.verdicts[index] {
            case Verdict.admitted.rawValue where batch.tags[index] != TagID.none.rawValue:
                let flags = Flags(rawValue: batch.flags[index])
                fold.admit(
                    batch.tags[index],
                    Sighting(
                        orderedAt: min(batch.time(index), received), log: batch.log, seq: seq, journal: row.id,
                        isOut: flags.contains(.out), isInspection: flags.contains(.inspection), gate: gate))
            case Verdict.annulled.rawValue where batch.tags[index] != TagID.none.rawValue:
                fold.annul(batch.tags[index], journal: row.id, seq: seq)
            default: break
            }
        }
    }

    private static func collect(_ range: ClosedRange<Int64>, of batch: ScanBatch, into tags: inout Set<Int64>) {
        for seq in range {
            let index = Int(seq - batch.first)
            let verdict = batch.verdicts[index]
            guard batch.tags[index] != TagID.none.rawValue else { continue }
            if verdict == Verdict.admitted.rawValue || verdict == Verdict.annulled.rawValue {
                tags.insert(batch.tags[index])
            }
        }
    }

    var scannersByJournal: [Int64: String] {
        Dictionary(uniqueKeysWithValues: journals.values.map { ($0.id, $0.key.scanner) })
    }
}
