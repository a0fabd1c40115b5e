package import Postgres
import ScanBatchCodec
package import ScanRuns

/// Stores groups of deliveries, each scan exactly once (contract.md sections 3 and 4). Confined to its connection's
/// thread.
///
/// Each group is one transaction. `StoreStages.swift` defines its steps and their order. A delivery may be acknowledged
/// only after `store` has returned.
package final class IngestStore {
    /// Maximum number of immediate attempts for a group that deadlocks or cannot be serialized. After that the error is
    /// thrown, so that the caller waits.
    static let attemptsLimit = 10

    private let connection: PostgresConnection
    private let onCommit: ([StoredScans]) -> Void
    private let relayUsers: Set<String>
    private let limits: ScannerLimits
    private let buffer = CopyBuffer(capacityBytes: 1 << 17)
    /// Bodies and rows dropped from the quarantine since this store was made.
    private(set) var droppedFromQuarantine: Int64 = 0

    /// Prepares a connection for storing.
    ///
    /// - Parameters:
    ///   - connection: used by this store alone while a call is running.
    ///   - relayUsers: broker users that may publish for any scanner.
    ///   - limits: what one scanner may take.
    ///   - onCommit: receives the stored scans of each committed group. Scans that it drops are tracked later, from the
    ///     database.
    /// - Throws: `PostgresError` if the session cannot be set up.
    package init(
        _ connection: PostgresConnection, relayUsers: Set<String>, limits: ScannerLimits = ScannerLimits(),
        onCommit: @escaping ([StoredScans]) -> Void = { _ in }
    ) throws(PostgresError) {
        self.connection = connection
        self.onCommit = onCommit
        self.relayUsers = relayUsers
        self.limits = limits
        // An acknowledged batch must be on disk whatever the server's default. A stronger setting is kept.
        try connection.execute(
            """
            SELECT set_config('synchronous_commit', 'on', false)
            WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')
            """)
    }

    /// First words of the detail of a quarantined batch that the database rejected. Such a batch passed the identity
    /// check, so a replay trusts its user.
    package static let databaseRejection = "rejected by the database: "

    /// Stores valid batches and quarantines the other deliveries.
    ///
    /// If the database rejects the data (`PostgresError.blamesData`: SQLSTATE classes 22, 23 and similar), the
    /// deliveries are stored one by one. Those that fail alone are quarantined with the reason `range`.
    ///
    /// - Parameters:
    ///   - deliveries: the group, at most a few megabytes.
    ///   - quarantining: `false` for a replay: an invalid delivery is reported, and not written to the quarantine
    ///     again.
    /// - Returns: the outcome of each delivery, in the same order. All of them are committed.
    /// - Throws: `PostgresError` that a retry may correct. The result of the last transaction is then unknown.
    package func store(
        _ deliveries: [IngestDelivery], quarantining: Bool = true
    ) throws(PostgresError) -> [IngestOutcome] {
        let validated = deliveries.map { ValidatedDelivery($0, relayUsers: relayUsers) }
        return try store(deliveries, validated: validated, quarantining: quarantining)
    }

    /// Stores deliveries that are validated already.
    func store(
        _ deliveries: [IngestDelivery], validated: [ValidatedDelivery], quarantining: Bool = true
    ) throws(PostgresError) -> [IngestOutcome] {
        do { return try storeGroup(deliveries, validated, quarantining) } catch  where error.blamesData {}
        var outcomes: [IngestOutcome] = []
        for (delivery, validated) in zip(deliveries, validated) {
            outcomes.append(try storeAlone(delivery, validated, quarantining))
        }
        return outcomes
    }

    private func storeAlone(
        _ delivery: IngestDelivery, _ validated: ValidatedDelivery, _ quarantining: Bool
    ) throws(PostgresError) -> IngestOutcome {
        let rejection: PostgresError
        do { return try storeGroup([delivery], [validated], quarantining)[0] } catch  where error.blamesData {
            rejection = error
        }
        let detail = IngestStore.databaseRejection + "\(rejection)"
        let invalid = ValidatedDelivery.invalid(BatchError(.range, detail, isHeartbeat: validated.isHeartbeat))
        do { return try storeGroup([delivery], [invalid], quarantining)[0] } catch  where error.blamesData {
            return .rejected(detail: "\(error)")
        }
    }

    /// Stores a group, and repeats the transaction after a deadlock or a serialization failure.
    private func storeGroup(
        _ deliveries: [IngestDelivery], _ validated: [ValidatedDelivery], _ quarantining: Bool
    ) throws(PostgresError) -> [IngestOutcome] {
        var attempt = 1
        while true {
            do { return try storeOnce(deliveries, validated, quarantining) } catch {
                connection.rollback()
                guard error.isSerializationFailure, attempt < IngestStore.attemptsLimit else { throw error }
                attempt += 1
            }
        }
    }

    private func storeOnce(
        _ deliveries: [IngestDelivery], _ validated: [ValidatedDelivery], _ quarantining: Bool
    ) throws(PostgresError) -> [IngestOutcome] {
        // Explicit, whatever the server's default: each statement must see what was committed while it waited for a
        // lock.
        try connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        let journals = JournalTable(connection: connection)
        let group = try ReceivedGroup(deliveries, validated)
            .admit(ScannerTable(connection: connection))
            .lockJournals(journals, limits)
            .classify(journals)
            .write(journals, buffer, quarantine: quarantining ? limits : nil, relayUsers: relayUsers)
            .commit(connection)
        droppedFromQuarantine += group.droppedFromQuarantine
        if !group.runs.isEmpty { onCommit(group.runs) }
        return group.outcomes
    }
}

/// The part of `tapline.scanners` that the ingestion needs.
struct ScannerTable {
    let connection: PostgresConnection

    /// Returns the rows of the enrolled scanners among `ids`.
    func rows(_ ids: Set<String>) throws(PostgresError) -> [String: ScannerRow] {
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

/// A row of `tapline.scanners`.
struct ScannerRow {
    /// The scanner's default gate.
    let gate: Int64?
    let isEnabled: Bool
}
