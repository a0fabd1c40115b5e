import Postgres
import ScanBatchCodec
import ScanModel
import ScanRuns

/// The deliveries of one transaction and the decision about each of them. Pure: no I/O.
///
/// Its functions must be called in a fixed order, each once. `StoreStages.swift` enforces the order by types and is the
/// only caller.
struct IngestGroup {
    /// A delivery that is a batch of an enrolled scanner.
    private struct Member {
        /// Index of the delivery.
        let index: Int
        let batch: ScanBatch
        let key: JournalKey
        let gate: Int64?
        var classification = JournalLedger.Classification()
    }

    private let deliveries: [IngestDelivery]
    private let validated: [ValidatedDelivery]
    private var members: [Member] = []
    /// The locked journals, with the changes that this group makes.
    private(set) var journals: [JournalKey: JournalRow] = [:]
    /// Creation times of the snapshots in `doubtedSnapshots`, microseconds since 1970-01-01 UTC.
    private var createdMicros: [Int64: Int64] = [:]
    /// The journals of the batches, each once, in the order of receipt.
    private(set) var journalKeys: [JournalKey] = []
    private(set) var quarantine = Quarantine()
    /// One outcome per delivery.
    private(set) var outcomes: [IngestOutcome]

    init(_ deliveries: [IngestDelivery], _ validated: [ValidatedDelivery]) {
        self.deliveries = deliveries
        self.validated = validated
        outcomes = Array(repeating: .accepted(stored: 0, duplicates: 0, conflicts: 0), count: deliveries.count)
    }

    /// The time of the earliest receipt, microseconds since 1970-01-01 UTC.
    var receivedMicros: Int64 { deliveries.lazy.map(\.receivedMicros).min() ?? 0 }

    var scannerIDs: Set<String> {
        Set(validated.compactMap { if case .batch(let batch) = $0 { batch.scanner } else { nil } })
    }

    // MARK: Admission

    /// Separates batches of enrolled scanners from deliveries for the quarantine.
    mutating func admit(scanners: [String: ScannerRow]) {
        var known: Set<JournalKey> = []
        for (index, delivery) in validated.enumerated() {
            switch delivery {
            case .invalid(let error): reject(index, error.reason, error.detail)
            case .batch(let batch):
                guard let scanner = scanners[batch.scanner] else {
                    reject(index, .unknownScanner, "\(batch.scanner) is not enrolled")
                    continue
                }
                guard scanner.isEnabled else {
                    reject(index, .disabledScanner, "\(batch.scanner) is disabled")
                    continue
                }
                let key = JournalKey(journalID: batch.journalID, scanner: batch.scanner)
                members.append(Member(index: index, batch: batch, key: key, gate: batch.gate ?? scanner.gate))
                for key in IngestGroup.journals(of: batch) where known.insert(key).inserted { journalKeys.append(key) }
            }
        }
    }

    /// Returns the scanner's journal before this one, and its last seq, if the batch names it.
    private static func previousJournal(of batch: ScanBatch) -> (key: JournalKey, lastSeq: Int64)? {
        guard let after = batch.after, after.journalID != batch.journalID else { return nil }
        return (JournalKey(journalID: after.journalID, scanner: batch.scanner), after.lastSeq)
    }

    /// Returns the journals that must exist before a batch is stored: its own, and the one before it.
    private static func journals(of batch: ScanBatch) -> [JournalKey] {
        let own = JournalKey(journalID: batch.journalID, scanner: batch.scanner)
        return [own] + (previousJournal(of: batch).map { [$0.key] } ?? [])
    }

    private mutating func reject(_ index: Int, _ reason: BatchError.Reason, _ detail: String) {
        quarantine.add(deliveries[index], reason, detail, isHeartbeat: validated[index].isHeartbeat)
        outcomes[index] = .quarantined(reason, detail: detail)
    }

    // MARK: Comparison with the database

    /// The seqs of the batches, by journal. A journal without scans has no entry.
    var seqs: [JournalKey: [ClosedRange<Int64>]] {
        var seqs: [JournalKey: [ClosedRange<Int64>]] = [:]
        for member in members where member.batch.count > 0 {
            seqs[member.key, default: []].append(
                member.batch.first...member.batch.first + Int64(member.batch.count) - 1)
        }
        return seqs
    }

    /// Sets the journals, which are locked from here on.
    ///
    /// A batch without a row for one of its journals goes to the quarantine: its scanner may not begin another journal
    /// now (`ScannerLimits.newJournals`).
    mutating func setJournals(_ rows: [JournalKey: JournalRow]) {
        journals = rows
        func isHeld(_ member: Member) -> Bool {
            IngestGroup.journals(of: member.batch).allSatisfy { rows[$0] != nil }
        }
        let refused = members.filter { !isHeld($0) }
        guard !refused.isEmpty else { return }
        members.removeAll { !isHeld($0) }
        for member in refused {
            reject(member.index, .journalRate, "\(member.batch.scanner) begins more journals than a scanner may")
        }
    }

    /// The seqs whose stored scans the batches must be compared with.
    var lookups: [ScanRunTable.Range] {
        members.compactMap { member in
            guard let row = journals[member.key],
                let range = row.ledger.lookup(first: member.batch.first, count: member.batch.count)
            else { return nil }
            return ScanRunTable.Range(journal: row.id, first: range.lowerBound, last: range.upperBound)
        }
    }

    /// Versions of the snapshots under which new scans with an untrusted clock were made.
    var doubtedSnapshots: Set<Int64> {
        Set(
            members.lazy.filter { !$0.classification.new.isEmpty && ScanPlacement.isNeeded($0.batch) }
                .map(\.batch.snapshot))
    }

    /// Sets the creation times of `doubtedSnapshots`.
    ///
    /// A version that the center does not know is itself a time: the seconds since 1970 at the export.
    mutating func setCreationTimes(_ micros: [Int64: Int64]) {
        for version in doubtedSnapshots where version > 0 {
            let (exported, isTooLarge) = version.multipliedReportingOverflow(by: 1_000_000)
            createdMicros[version] = micros[version] ?? (isTooLarge ? nil : exported)
        }
    }

    /// Classifies all scans as new, duplicate or conflicting, in the order of receipt.
    ///
    /// - Parameter stored: the runs that overlap `lookups`.
    mutating func classify(stored: [ScanRun]) {
        let keys = Dictionary(uniqueKeysWithValues: journals.values.map { ($0.id, $0.key) })
        for run in stored {
            guard let key = keys[run.journal] else { preconditionFailure("run of a journal that is not locked") }
            journals[key]?.ledger.hold(ScanColumns(run))
        }
        for source in members.indices {
            let (key, batch, index) = (members[source].key, members[source].batch, members[source].index)
            // Removed while it is changed, so that the ledger is not copied.
            guard var row = journals.removeValue(forKey: key) else { preconditionFailure("journal not locked") }
            let classification = row.ledger.classify(ScanColumns(batch))
            row.recordPublish(batch, deliveries[index])
            row.count(classification, of: batch)
            journals[key] = row
            if let previous = IngestGroup.previousJournal(of: batch) {
                journals[previous.key]?.recordEnd(previous.lastSeq)
            }
            members[source].classification = classification
            outcomes[index] = .accepted(
                stored: batch.count - classification.duplicates - classification.conflicts.count,
                duplicates: classification.duplicates, conflicts: classification.conflicts.count)
            if !classification.conflicts.isEmpty {
                quarantine.add(deliveries[index], .conflict, IngestGroup.detail(batch, classification.conflicts))
            }
        }
    }

    private static func detail(_ batch: ScanBatch, _ conflicts: [Int64]) -> String {
        // Each seq by itself, so that a text search finds it: at most 10,000, the limit of a batch.
        "journal \(batch.journalID) seq \(conflicts.map(String.init).joined(separator: ","))"
    }

    // MARK: Results

    /// Returns all new scans, in the order of the primary key, and counts their annulments in the journals.
    mutating func takeNewRuns() -> [StoredScans] {
        var runs: [StoredScans] = []
        let annulled = Verdict.annulled.rawValue
        for member in members {
            guard let row = journals[member.key], !member.classification.new.isEmpty else { continue }
            let receivedMicros = deliveries[member.index].receivedMicros
            let times = ScanPlacement.times(
                of: member.batch, receivedMicros: receivedMicros,
                createdMicros: createdMicros[member.batch.snapshot])
            for range in member.classification.new {
                let run = StoredScans(
                    range, of: member.batch, journal: row.id, gate: member.gate, receivedMicros: receivedMicros,
                    placedMicros: times, isBehind: member.classification.isBehind)
                journals[member.key]?.annulments += Int64(run.verdicts.count { $0 == annulled })
                runs.append(run)
            }
        }
        // Neighbours in the primary key's index are inserted together.
        runs.sort { ($0.journal, $0.first) < ($1.journal, $1.first) }
        return runs
    }

    /// The notes of all scans without those in conflict, and without scans that retention has dropped.
    ///
    /// Also those of repeated scans: an older publisher may have sent the scans without them.
    var notes: [ScanNote] {
        var notes: [ScanNote] = []
        for member in members where !member.batch.notes.isEmpty {
            guard let row = journals[member.key] else { continue }
            let conflicts = Set(member.classification.conflicts)
            for (offset, text) in member.batch.notes {
                let seq = member.batch.first + Int64(offset)
                let isDropped =
                    seq <= row.ledger.retired && !member.classification.new.contains { $0.contains(seq) }
                guard !isDropped, !conflicts.contains(seq) else { continue }
                notes.append(ScanNote(journal: row.id, seq: seq, text: text))
            }
        }
        return notes.sorted { ($0.journal, $0.seq) < ($1.journal, $1.seq) }
    }
}

extension StoredScans {
    /// The scans of a batch within a range of seqs.
    fileprivate init(
        _ range: ClosedRange<Int64>, of batch: ScanBatch, journal: Int64, gate: Int64?, receivedMicros: Int64,
        placedMicros: [Int64]?, isBehind: Bool
    ) {
        let indices = Int(range.lowerBound - batch.first)...Int(range.upperBound - batch.first)
        // A slice keeps the whole batch in memory. For less than half of it a copy is cheaper.
        func part<Element>(_ column: [Element]) -> ArraySlice<Element> {
            2 * indices.count < column.count ? Array(column[indices])[...] : column[indices]
        }
        self.init(
            journal: journal, scanner: batch.scanner, journalID: batch.journalID, first: range.lowerBound,
            baseMicros: batch.baseMicros, atMs: part(batch.atMs), tags: part(batch.tags),
            verdicts: part(batch.verdicts), flags: part(batch.flags), gate: gate,
            snapshot: batch.snapshot, receivedMicros: receivedMicros, placedMicros: placedMicros.map(part),
            isBehind: isBehind)
    }
}
