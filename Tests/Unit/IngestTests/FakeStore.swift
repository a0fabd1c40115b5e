import ScanBatchCodec
import ScanRuns

@testable import Ingest

/// The tables that a group reads and writes, in memory, and the stages of a store transaction.
struct FakeStore {
    struct Journal {
        let id: Int64
        var last: Int64 = 0
        var gaps = SeqGaps()
        var annulments: Int64 = 0
        var received: Int64 = 0
        var stored: Int64 = 0
        var duplicates: Int64 = 0
        var conflicts: Int64 = 0
        /// In the order of their seqs.
        var runs: [ScanRun] = []
    }

    private(set) var journals: [JournalKey: Journal] = [:]

    /// Stores a group as `StoreStages.swift` does.
    mutating func store(_ deliveries: [IngestDelivery]) -> [IngestOutcome] {
        var group = IngestGroup(deliveries, deliveries.map { ValidatedDelivery($0, relayUsers: ["relay"]) })
        let scanners = group.scannerIDs.map { ($0, ScannerRow(gate: 1, isEnabled: true)) }
        group.admit(scanners: Dictionary(uniqueKeysWithValues: scanners))
        var rows: [JournalKey: JournalRow] = [:]
        for key in group.journalKeys {
            let journal = journals[key] ?? Journal(id: Int64(journals.count + 1))
            journals[key] = journal
            let columns = JournalRow.Columns(
                id: journal.id, last: journal.last, next: journal.gaps.first ?? journal.last + 1,
                annulments: journal.annulments, skews: [], announced: 0, retired: 0)
            rows[key] = JournalRow(columns, key: key, gaps: journal.gaps)
        }
        group.setJournals(rows)
        let lookups = group.lookups
        let runs = journals.values.flatMap(\.runs).filter { run in
            lookups.contains { $0.journal == run.journal && $0.first <= run.last && $0.last >= run.first }
        }
        group.classify(stored: runs)
        let added = Dictionary(grouping: group.takeNewRuns(), by: \.journal)
        for (key, row) in group.journals {
            journals[key]?.write(row, added[row.id] ?? [])
        }
        return group.outcomes
    }

    /// Joins neighbouring runs, as maintenance does.
    mutating func joinRuns(where isJoined: () -> Bool) {
        for (key, journal) in journals {
            var joined: [ScanRun] = []
            for run in journal.runs {
                if let end = joined.last, isJoined(), end.canJoin(run, after: end.last) {
                    joined[joined.count - 1] = ScanRun.joined([end, run])
                } else {
                    joined.append(run)
                }
            }
            journals[key]?.runs = joined
        }
    }
}

extension FakeStore.Journal {
    fileprivate mutating func write(_ row: JournalRow, _ added: [StoredScans]) {
        last = row.ledger.last
        gaps = row.ledger.gaps
        annulments = row.annulments
        received += row.received
        stored += row.stored
        duplicates += row.duplicates
        conflicts += row.conflicts
        runs = (runs + added.flatMap { ScanRun.rows(of: $0) }).sorted { $0.first < $1.first }
    }
}
