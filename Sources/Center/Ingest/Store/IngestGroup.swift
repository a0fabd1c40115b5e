import Postgres
import ScanBatchCodec
import ScanModel
import Tracking

/// The deliveries of one transaction, and what is decided about each: no I/O here.
struct IngestGroup {
    /// A delivery that is a batch of an enrolled scanner.
    private struct Member {
        let index: Int
        let batch: ScanBatch
        let digest: [UInt8]?
        let key: JournalKey
        let gate: Int64?
        var verdict = JournalLedger.Classification()
        /// Whether the same batch was stored before, by its digest.
        var isKnown = false
    }

    private let deliveries: [IngestDelivery]
    private let intakes: [ValidatedDelivery]
    private var members: [Member] = []
    var journals: [JournalKey: JournalRow] = [:]
    private(set) var journalsWanted: Set<JournalKey> = []
    private(set) var quarantine = Quarantine()
    /// One for each delivery.
    private(set) var outcomes: [IngestOutcome]

    init(_ deliveries: [IngestDelivery], _ intakes: [ValidatedDelivery]) {
        (self.deliveries, self.intakes) = (deliveries, intakes)
        outcomes = Array(repeating: .taken(stored: 0, duplicates: 0, conflicts: 0), count: deliveries.count)
    }

    /// When its first delivery came.
    var receivedMicros: Int64 { deliveries.lazy.map(\.receivedMicros).min() ?? 0 }

    var scannersWanted: Set<String> {
        Set(intakes.compactMap { if case .batch(let batch, _) = $0 { batch.scanner } else { nil } })
    }

    /// Sorts batches of enrolled scanners from poison.
    mutating func admit(scanners: [String: ScannerRow]) {
        for (index, intake) in intakes.enumerated() {
            switch intake {
            case .poison(let error): refuse(index, error.reason, error.detail)
            case .batch(let batch, let digest):
                guard let scanner = scanners[batch.scanner] else {
                    refuse(index, .unknownScanner, "\(batch.scanner) is not enrolled")
                    continue
                }
                guard scanner.isEnabled else {
                    refuse(index, .disabledScanner, "\(batch.scanner) is disabled")
                    continue
                }
                let key = JournalKey(log: batch.log, scanner: batch.scanner)
                members.append(
                    Member(index: index, batch: batch, digest: digest, key: key, gate: batch.gate ?? scanner.gate))
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

    /// Batches that may have been stored before, cut as they are: their digests are to be looked up.
    func suspects() -> [(index: Int, journal: Int64, batch: ScanBatch, digest: [UInt8])] {
        members.enumerated().compactMap { index, member in
            guard let digest = member.digest, let row = journals[member.key],
                row.ledger.lookup(first: member.batch.first, count: member.batch.count) != nil
            else { return nil }
            return (index, row.id, member.batch, digest)
        }
    }

    /// One of `suspects` was stored before, as it is.
    mutating func recognise(_ index: Int) { members[index].isKnown = true }

    /// What must be compared with stored scans.
    func lookups() -> [JournalKey: [ClosedRange<Int64>]] {
        var ranges: [JournalKey: [ClosedRange<Int64>]] = [:]
        for member in members where !member.isKnown {
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
        func fact(_ source: Int, _ seq: Int64) -> ScanContent {
            let batch = batches[source]
            let index = Int(seq - batch.first)
            return ScanContent(
                tag: batch.tags[index], atMicros: batch.time(index), verdict: batch.verdicts[index],
                flags: batch.flags[index])
        }
        for source in members.indices {
            let (key, batch, index) = (members[source].key, batches[source], members[source].index)
            guard var row = journals.removeValue(forKey: key) else { preconditionFailure("journal not locked") }
            let verdict =
                members[source].isKnown
                ? JournalLedger.Classification(duplicates: batch.count, isBehind: true)
                : row.ledger.take(first: batch.first, count: batch.count, source: source, fact: fact)
            row.hear(batch, deliveries[index])
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

    /// All new scans. Counts their annulments.
    mutating func runs() -> [StoredScans] {
        var runs: [StoredScans] = []
        for member in members {
            guard let row = journals[member.key] else { continue }
            for range in member.verdict.new {
                let run = StoredScans(
                    range, of: member.batch, journal: row.id, gate: member.gate,
                    receivedMicros: deliveries[member.index].receivedMicros, isBehind: member.verdict.isBehind)
                journals[member.key]?.annulments += Int64(run.verdicts.count { $0 == Verdict.annulled.rawValue })
                runs.append(run)
            }
        }
        // In the order of the primary key: what lies together in its index is written together.
        runs.sort { ($0.journal, $0.first) < ($1.journal, $1.first) }
        return runs
    }

    /// Batches that were new as a whole, to be known by their digests from now on.
    var fresh: [(journal: Int64, batch: ScanBatch, digest: [UInt8])] {
        members.compactMap { member in
            guard let digest = member.digest, let row = journals[member.key],
                member.verdict.new == [member.batch.first...member.batch.last]
            else { return nil }
            return (row.id, member.batch, digest)
        }
    }
}

extension CopyBuffer {
    /// The rows of a run, for `IngestGroup.copyStatement`.
    func put(_ run: StoredScans) {
        for index in run.tags.indices {
            beginRow(9)
            put(run.journal)
            put(run.first + Int64(index - run.tags.startIndex))
            put(run.tags[index])
            put(timestamp: run.baseMicros + Int64(run.atMs[index]) * 1_000)
            put(Int16(run.verdicts[index]))
            put(Int16(run.flags[index]))
            put(run.gate)
            put(run.snapshot)
            put(timestamp: run.receivedMicros)
        }
    }
}

extension StoredScans {
    /// Some seqs of a batch.
    fileprivate init(
        _ range: ClosedRange<Int64>, of batch: ScanBatch, journal: Int64, gate: Int64?, receivedMicros: Int64,
        isBehind: Bool
    ) {
        let indices = Int(range.lowerBound - batch.first)...Int(range.upperBound - batch.first)
        // A slice keeps all of its batch in memory: of a few scans only a copy.
        func part<Element>(_ column: [Element]) -> ArraySlice<Element> {
            2 * indices.count < column.count ? Array(column[indices])[...] : column[indices]
        }
        self.init(
            journal: journal, scanner: batch.scanner, log: batch.log, first: range.lowerBound,
            baseMicros: batch.baseMicros, atMs: part(batch.atMs), tags: part(batch.tags),
            verdicts: part(batch.verdicts), flags: part(batch.flags), gate: gate,
            snapshot: batch.snapshot, receivedMicros: receivedMicros, isBehind: isBehind)
    }
}
