import Postgres
import ScanRuns

// One store transaction as a sequence of stages:
//
//   ReceivedGroup -admit-> AdmittedGroup -lockJournals-> LockedGroup -classify-> ClassifiedGroup
//     -write-> WrittenGroup -commit-> CommittedGroup
//
// A stage offers only the operation that is legal next, and that operation consumes it. The stages are not copyable,
// and only this file can make one from its predecessor, so no other order compiles. They hold the same `IngestGroup`,
// which is moved along: no scan is copied. If an operation throws, the group is gone and the caller rolls back.

/// Deliveries whose transaction has begun.
struct ReceivedGroup: ~Copyable {
    private var group: IngestGroup

    init(_ deliveries: [IngestDelivery], _ validated: [ValidatedDelivery]) {
        group = IngestGroup(deliveries, validated)
    }

    /// Looks up the scanners. Batches of unknown and disabled ones go to the quarantine.
    consuming func admit(_ scanners: ScannerTable) throws(PostgresError) -> AdmittedGroup {
        group.admit(scanners: try scanners.rows(group.scannerIDs))
        return AdmittedGroup(group: group)
    }
}

/// Deliveries of which the batches of enrolled scanners are known.
struct AdmittedGroup: ~Copyable {
    fileprivate var group: IngestGroup

    /// Locks the journals of the batches, before anything is compared with them. Batches of scanners that begin too many
    /// journals go to the quarantine.
    consuming func lockJournals(
        _ journals: JournalTable, _ limits: ScannerLimits
    ) throws(PostgresError) -> LockedGroup {
        group.setJournals(
            try journals.lock(
                group.journalKeys, seqs: group.seqs, receivedMicros: group.receivedMicros,
                newJournals: limits.newJournals))
        return LockedGroup(group: group)
    }
}

/// Batches whose journals are locked until the end of the transaction.
struct LockedGroup: ~Copyable {
    fileprivate var group: IngestGroup

    /// Reads the stored runs that the batches may repeat, and classifies all scans.
    consuming func classify(_ journals: JournalTable) throws(PostgresError) -> ClassifiedGroup {
        group.classify(stored: try ScanRunTable(journals.connection).contents(overlapping: group.lookups))
        group.setCreationTimes(try journals.creationTimes(ofSnapshots: group.doubtedSnapshots))
        let runs = group.takeNewRuns()
        return ClassifiedGroup(group: group, runs: runs)
    }
}

/// Batches of which each scan is new, a duplicate or a conflict.
struct ClassifiedGroup: ~Copyable {
    fileprivate let group: IngestGroup
    fileprivate let runs: [StoredScans]

    /// Writes the new scans, what the group changed in its journals, and the quarantine.
    ///
    /// - Parameters:
    ///   - journals: the tables of the locked journals.
    ///   - buffer: reused by all COPY statements of the connection.
    ///   - limits: the share of each scanner in the quarantine; `nil` for a replay, whose deliveries are in the
    ///     quarantine already.
    ///   - relayUsers: broker users that publish for other scanners.
    consuming func write(
        _ journals: JournalTable, _ buffer: CopyBuffer, quarantine limits: ScannerLimits?, relayUsers: Set<String>
    ) throws(PostgresError) -> WrittenGroup {
        if !runs.isEmpty { try ScanRunTable(journals.connection).copy(runs, buffer) }
        try journals.writeTimes(of: runs)
        try journals.write(group.journals.values)
        try journals.queueForTracking(runs)
        try journals.write(notes: group.notes)
        var dropped: Int64 = 0
        if let limits {
            dropped = try group.quarantine.write(journals.connection, limits, relayUsers: relayUsers)
        }
        return WrittenGroup(outcomes: group.outcomes, runs: runs, droppedFromQuarantine: dropped)
    }
}

/// A group that is written and not committed.
struct WrittenGroup: ~Copyable {
    fileprivate let outcomes: [IngestOutcome]
    fileprivate let runs: [StoredScans]
    fileprivate let droppedFromQuarantine: Int64

    /// Commits. Only now the outcomes can be read, and deliveries acknowledged.
    consuming func commit(_ connection: PostgresConnection) throws(PostgresError) -> CommittedGroup {
        try connection.commit()
        return CommittedGroup(outcomes: outcomes, runs: runs, droppedFromQuarantine: droppedFromQuarantine)
    }
}

/// A group whose transaction has committed.
struct CommittedGroup {
    /// One outcome per delivery.
    let outcomes: [IngestOutcome]
    /// The scans that the group has stored, for the tracker.
    let runs: [StoredScans]
    /// Older bodies and rows that were dropped from the quarantine.
    let droppedFromQuarantine: Int64

    fileprivate init(outcomes: [IngestOutcome], runs: [StoredScans], droppedFromQuarantine: Int64) {
        self.outcomes = outcomes
        self.runs = runs
        self.droppedFromQuarantine = droppedFromQuarantine
    }
}
