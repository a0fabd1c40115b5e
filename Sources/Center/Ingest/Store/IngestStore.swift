package import Postgres
import ScanBatchCodec
import ScanModel
package import Tracking

/// Stores groups of deliveries, each scan exactly once (SPEC.md sections 3 and 4). Confined to its connection's thread.
///
/// One group is one transaction: scanners looked up, journals locked, old told from new, scans copied and
/// noted for tracking, counters raised, poison put aside, COMMIT. Only a caller that sees `store` return may acknowledge.
package final class IngestStore {
    /// A group that deadlocks or cannot be serialized is run again at once this often; then it is the caller's to wait.
    static let attemptsLimit = 10

    let connection: PostgresConnection
    /// Told what was stored, once it is committed.
    private let stored: ([StoredScans]) -> Void
    private let relayUsers: Set<String>
    private let buffer = CopyBuffer(capacityBytes: 1 << 17)

    /// - Parameters:
    ///   - relayUsers: users that may publish for any scanner.
    ///   - stored: takes what each committed group has stored; what it does not take is tracked later, from the database.
    package init(
        _ connection: PostgresConnection, relayUsers: Set<String>, stored: @escaping ([StoredScans]) -> Void = { _ in }
    ) throws(PostgresError) {
        self.connection = connection
        self.stored = stored
        self.relayUsers = relayUsers
        // What is acked must be on the disk, whatever the server's setting says; stronger is as good.
        try connection.execute(
            """
            SELECT set_config('synchronous_commit', 'on', false)
            WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')
            """)
    }

    /// Stores what can be stored and quarantines the rest; what is returned, in the order of `deliveries`, has committed.
    ///
    /// A delivery that the database refuses for its data (SQLSTATE 22, 23 and their like) is found by storing one by one,
    /// and quarantined as `range`. Throws what a retry may heal: then nothing of the last transaction is known to be stored.
    /// - Parameter quarantining: false for a replay: poison is told, and not written again.
    package func store(
        _ deliveries: [IngestDelivery], quarantining: Bool = true
    ) throws(PostgresError) -> [IngestOutcome] {
        try store(deliveries, deliveries.map { ValidatedDelivery($0, relayUsers: relayUsers) }, quarantining)
    }

    /// The same for deliveries that were decoded before.
    func store(
        _ deliveries: [IngestDelivery], _ intakes: [ValidatedDelivery], _ quarantining: Bool = true
    ) throws(PostgresError) -> [IngestOutcome] {
        do { return try storeAgain(deliveries, intakes, quarantining) } catch  where error.blamesData {}
        var outcomes: [IngestOutcome] = []
        for (delivery, intake) in zip(deliveries, intakes) {
            outcomes.append(try storeAlone(delivery, intake, quarantining))
        }
        return outcomes
    }

    private func storeAlone(
        _ delivery: IngestDelivery, _ intake: ValidatedDelivery, _ quarantining: Bool
    ) throws(PostgresError) -> IngestOutcome {
        let refusal: PostgresError
        do { return try storeAgain([delivery], [intake], quarantining)[0] } catch  where error.blamesData {
            refusal = error
        }
        let poison = ValidatedDelivery.poison(BatchError(.range, "refused by the database: \(refusal)"))
        do { return try storeAgain([delivery], [poison], quarantining)[0] } catch  where error.blamesData {
            return .refused(detail: "\(error)")
        }
    }

    private func storeAgain(
        _ deliveries: [IngestDelivery], _ intakes: [ValidatedDelivery], _ quarantining: Bool
    ) throws(PostgresError) -> [IngestOutcome] {
        var attempt = 1
        while true {
            do { return try storeOnce(deliveries, intakes, quarantining) } catch {
                connection.rollback()
                guard error.isSerializationFailure, attempt < IngestStore.attemptsLimit else { throw error }
                attempt += 1
            }
        }
    }

    private func storeOnce(
        _ deliveries: [IngestDelivery], _ intakes: [ValidatedDelivery], _ quarantining: Bool
    ) throws(PostgresError) -> [IngestOutcome] {
        // Said, whatever the server's default: each statement must see what committed while its lock was waited for.
        try connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        var group = IngestGroup(deliveries, intakes)
        var runs: [StoredScans] = []
        group.admit(scanners: try scanners(group.scannersWanted))
        if !group.journalsWanted.isEmpty {
            let table = JournalTable(connection)
            group.journals = try table.lock(group.journalsWanted, receivedMicros: group.receivedMicros)
            for index in try table.known(group.suspects()) { group.recognise(index) }
            let lookups = group.lookups()
            if !lookups.isEmpty { try table.lookUp(lookups, into: &group.journals) }
            group.decide()
            runs = group.runs()
            if !runs.isEmpty {
                try connection.copyIn(IngestGroup.copyStatement, buffer) { (send) throws(PostgresError) in
                    for run in runs {
                        buffer.put(run)
                        try send()
                    }
                }
            }
            try table.write(group.journals.values)
            try table.write(untracked: runs)
            try table.write(batches: group.fresh)
        }
        if quarantining, !group.quarantine.isEmpty { try group.quarantine.write(connection) }
        try connection.commit()
        if !runs.isEmpty { stored(runs) }
        return group.outcomes
    }

    private func scanners(_ ids: Set<String>) throws(PostgresError) -> [String: ScannerRow] {
        guard !ids.isEmpty else { return [:] }
        let result = try connection.query(
            "SELECT id, gate_id, enabled FROM tapline.scanners WHERE id = ANY ($1)", [.texts(ids.sorted())],
            binary: true)
        var rows: [String: ScannerRow] = [:]
        for row in 0..<result.rowCount {
            rows[result.text(row, 0)] = ScannerRow(
                gate: result.optionalInt(row, 1), isEnabled: result.bool(row, 2))
        }
        return rows
    }
}

/// What the registry says of a scanner.
struct ScannerRow {
    /// The default gate.
    let gate: Int64?
    let isEnabled: Bool
}
