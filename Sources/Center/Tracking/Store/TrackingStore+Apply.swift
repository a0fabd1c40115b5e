import LinuxSystem
import Postgres
import ScanModel
import ScanRuns

extension TrackingStore {
    /// Applies runs of scans to everything that is tracked, within a transaction that holds the lock.
    func apply(_ runs: [StoredScans]) throws(PostgresError) {
        var effects = TrackingEffects(connection)
        try effects.add(runs)
        try effects.write()
    }
}

/// What the scans of one transaction change in everything that is tracked. The scans are added in parts, so that they
/// need not be in memory together. The transaction holds the lock.
struct TrackingEffects {
    private let connection: PostgresConnection
    private var flow = FlowFold(nowMicros: SystemClock.nowMicroseconds())
    private var fold = PresenceFold()
    private var changes: [AnnulledStore.Change] = []
    private var days = DueDays()

    init(_ connection: PostgresConnection) { self.connection = connection }

    /// Adds runs of scans, and writes their annulments.
    mutating func add(_ runs: [StoredScans]) throws(PostgresError) {
        guard !runs.isEmpty else { return }
        let valid = try VoidSpans(connection, scanners: Set(runs.map(\.scanner))).valid(runs)
        for run in valid {
            flow.add(run)
            days.add(run.span)
        }
        let annulments = AnnulledStore(connection)
        let changed = try annulments.write(valid, reviewing: try journalsToReview(runs))
        for change in changed {
            flow.annul(
                gate: change.gate, orderedMicros: change.orderedMicros, flags: change.flags,
                by: change.isAnnulled ? 1 : -1)
        }
        changes += changed
        // Includes scans that were annulled before they were tracked.
        let annulled = try annulments.annulledSeqs(in: valid)
        for run in valid { fold.add(run, except: annulled) }
    }

    /// Writes presence, flow and double admissions.
    func write() throws(PostgresError) {
        let presence = PresenceStore(connection)
        let doubleAdmissions = DoubleAdmissionLog(connection: connection)
        // Before `move`, because it compares with the previous passages.
        if let passages = fold.passages {
            try doubleAdmissions.log(passages, doubtfulTags: changes.map(\.tag))
        } else {
            try doubleAdmissions.markDue(days)
        }
        try doubleAdmissions.markDue(changes)
        try presence.move(fold)
        // A tag is recomputed only if its position is an annulled admission, or if an admission is no longer annulled.
        // An annulment may follow in a later part than its admission.
        let changed =
            try presence.tags(at: changes.filter(\.isAnnulled)) + changes.filter { !$0.isAnnulled }.map(\.tag)
        if !changed.isEmpty { try presence.recompute(Set(changed).sorted()) }
        let flows = FlowStore(connection)
        try flows.add(flow)
        try flows.addRefusals(flow)
    }

    /// Returns the journals whose annulments may refer to other admissions than before: those with annulments where
    /// scans were stored below others.
    private func journalsToReview(_ runs: [StoredScans]) throws(PostgresError) -> Set<Int64> {
        let behind = Set(runs.lazy.filter(\.isBehind).map(\.journal))
        guard !behind.isEmpty else { return [] }
        let result = try connection.query(
            "SELECT id FROM tapline.journals WHERE id = ANY ($1) AND annulments > 0", [.int64s(behind.sorted())],
            binary: true)
        return Set((0..<result.rowCount).map { result.int($0, 0) })
    }
}

extension PresenceFold {
    /// Adds the admissions of a run, except the annulled ones, which are given as seqs by journal.
    fileprivate mutating func add(_ run: StoredScans, except annulled: [Int64: Set<Int64>]) {
        let annulled = annulled[run.journal] ?? []
        let (tags, verdicts, flags) = (run.tags, run.verdicts, run.flags)
        for offset in 0..<run.count {
            let tag = tags[tags.startIndex + offset]
            let seq = run.first + Int64(offset)
            guard tag != TagID.none.rawValue,
                verdicts[verdicts.startIndex + offset] == Verdict.admitted.rawValue,
                annulled.isEmpty || !annulled.contains(seq)
            else { continue }
            let flags = Flags(rawValue: flags[flags.startIndex + offset])
            admit(
                tag,
                Sighting(
                    orderedAt: run.orderedMicros(offset), journalID: run.journalID, seq: seq, journal: run.journal,
                    isOut: flags.contains(.out), isInspection: flags.contains(.inspection), gate: run.gate))
        }
    }
}
