import Postgres
import ScanBatchCodec
import ScanModel
import Tracking

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
        let digest: [UInt8]?
        let key: JournalKey
        let gate: Int64?
        var classification = JournalLedger.Classification()
        /// Whether the same batch was stored before, by its digest.
        var isKnown = false
    }

    private let deliveries: [IngestDelivery]
    private let validated: [ValidatedDelivery]
    private var members: [Member] = []
    /// The locked journals, with the changes that this group makes.
    private(set) var journals: [JournalKey: JournalRow] = [:]
    /// Creation times of the snapshots in `doubtedSnapshots`, microseconds since 1970-01-01 UTC.
    private var createdMicros: [Int64: Int64] = [:]
    private(set) var journalKeys: Set<JournalKey> = []
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
        Set(validated.compactMap { if case .batch(let batch, _) = $0 { batch.scanner } else { nil } })
    }

    // MARK: Admission

    /// Separates batches of enrolled scanners from deliveries for the quarantine.
    mutating func admit(scanners: [String: ScannerRow]) {
        for (index, delivery) in validated.enumerated() {
            switch delivery {
            case .invalid(let error): reject(index, error.reason, error.detail)
            case .batch(let batch, let digest):
                guard let scanner = scanners[batch.scanner] else {
                    reject(index, .unknownScanner, "\(batch.scanner) is not enrolled")
                    continue
                }
                guard scanner.isEnabled else {
                    reject(index, .disabledScanner, "\(batch.scanner) is disabled")
                    continue
                }
                let key = JournalKey(journalID: batch.journalID, scanner: batch.scanner)
                members.append(
                    Member(index: index, batch: batch, digest: digest, key: key, gate: batch.gate ?? scanner.gate))
                journalKeys.insert(key)
                if let previous = IngestGroup.previousJournal(of: batch) { journalKeys.insert(previous.key) }
            }
        }
    }

    /// Returns the scanner's journal before this one, and its last seq, if the batch names it.
    private static func previousJournal(of batch: ScanBatch) -> (key: JournalKey, lastSeq: Int64)? {
        guard let after = batch.after, after.journalID != batch.journalID else { return nil }
        return (JournalKey(journalID: after.journalID, scanner: batch.scanner), after.lastSeq)
    }

    private mutating func reject(_ index: Int, _ reason: BatchError.Reason, _ detail: String) {
        quarantine.add(deliveries[index], reason, detail, isHeartbeat: validated[index].isHeartbeat)
        outcomes[index] = .quarantined(reason, detail: detail)
    }

    // MARK: Comparison with the database

    /// Sets the journals, which are locked from here on.
    mutating func setJournals(_ rows: [JournalKey: JournalRow]) { journals = rows }

    /// Batches that may have been stored before with the same boundaries. Their digests are to be looked up.
    var repetitionCandidates: [(index: Int, batch: BatchIdentity)] {
        members.enumerated().compactMap { index, member in
            guard let digest = member.digest, let row = journals[member.key],
                row.ledger.lookup(first: member.batch.first, count: member.batch.count) != nil
            else { return nil }
            return (index, BatchIdentity(journal: row.id, batch: member.batch, digest: digest))
        }
    }

    /// Marks `repetitionCandidates` that were stored before unchanged, by their index.
    mutating func markKnown(_ indices: [Int]) {
        for index in indices { members[index].isKnown = true }
    }

    /// The stored scans that the other batches must be compared with.
    var lookups: [JournalLookup] {
        var lookups: [JournalKey: JournalLookup] = [:]
        for member in members where !member.isKnown {
            guard let row = journals[member.key],
                let range = row.ledger.lookup(first: member.batch.first, count: member.batch.count)
            else { continue }
            lookups[member.key, default: JournalLookup(key: member.key, journal: row.id)].ranges.append(range)
        }
        return Array(lookups.values)
    }

    /// Versions of the snapshots under which scans with an untrusted clock were made.
    var doubtedSnapshots: Set<Int64> {
        Set(members.lazy.filter { !$0.isKnown && ScanPlacement.isNeeded($0.batch) }.map(\.batch.snapshot))
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
    /// - Parameter stored: the result of `lookups`.
    mutating func classify(stored: [JournalKey: [Int64: ScanContent]]) {
        for (key, scans) in stored { journals[key]?.ledger.stored = scans }
        let batches = members.map(\.batch)
        func content(_ source: Int, _ seq: Int64) -> ScanContent {
            let batch = batches[source]
            let index = Int(seq - batch.first)
            return ScanContent(
                tag: batch.tags[index], atMicros: batch.time(index), verdict: batch.verdicts[index],
                flags: batch.flags[index])
        }
        for source in members.indices {
            let (key, batch, index) = (members[source].key, batches[source], members[source].index)
            // Removed while it is changed, so that the ledger is not copied.
            guard var row = journals.removeValue(forKey: key) else { preconditionFailure("journal not locked") }
            let classification =
                members[source].isKnown
                ? JournalLedger.Classification(duplicates: batch.count, isBehind: true)
                : row.ledger.classify(first: batch.first, count: batch.count, source: source, content: content)
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
                journals[member.key]?.annulments += Int64(run.verdicts.count { $0 == Verdict.annulled.rawValue })
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

    /// Batches that are completely new. From now on they are recognised by their digests.
    var newBatches: [BatchIdentity] {
        members.compactMap { member in
            guard let digest = member.digest, let row = journals[member.key],
                member.classification.new == [member.batch.first...member.batch.last]
            else { return nil }
            return BatchIdentity(journal: row.id, batch: member.batch, digest: digest)
        }
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
