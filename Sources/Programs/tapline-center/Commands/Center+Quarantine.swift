import CLI
import Ingest
import Postgres
import Registry
import ScanBatchCodec
import ScanModel

extension Center {
    static let quarantine = [quarantineList, quarantineShow, quarantineReplay, quarantineDrop]

    private static let quarantineList = list(
        "quarantine list", "list the quarantined batches",
        """
        SELECT id, received_at, last_received_at, routing_key, reason, times,
            CASE WHEN is_heartbeat THEN 'heartbeats' ELSE 'batch' END AS kind,
            coalesce(size, octet_length(body)) AS bytes, octet_length(body) AS kept, left(detail, 60) AS detail
        FROM tapline.quarantine ORDER BY id
        """, isCut: false)

    /// The rows that a command applies to: by id, by scanner, or all.
    private struct Selection: Sendable {
        let ids: [Int64]
        let scanner: String?

        init(_ arguments: Arguments) throws {
            ids = try arguments.positionals.map {
                guard let id = Int64($0) else {
                    throw ProgramError.usage("'\($0)' is not an id (tapline-center quarantine list)")
                }
                return id
            }
            scanner = try arguments["scanner"].map { try ScannerID(argument: $0).text }
            let given = (ids.isEmpty ? 0 : 1) + (scanner == nil ? 0 : 1) + (arguments.has("all") ? 1 : 0)
            guard given == 1 else { throw ProgramError.usage("exactly one of ID ..., --scanner ID, --all is required") }
        }

        static let options = [
            databaseURL, Option("scanner", "ID", "all batches of this scanner"), .toggle("all", "all batches"),
        ]

        /// SQL condition with the parameters `$1` and `$2`.
        static let condition = "($1::bigint[] = '{}' OR id = ANY ($1)) AND ($2::text IS NULL OR scanner_id = $2)"
        var parameters: [PostgresParameter] { [.int64s(ids), .optional(scanner)] }
    }

    private static let quarantineShow = Command(
        "quarantine show", positionals: "ID", count: 1...1, "show one batch with its detail and its bytes in hex",
        options: [databaseURL, .output]
    ) { arguments in
        let url = try database(arguments)
        let json = try arguments.outputFormat() == .json
        guard let id = Int64(arguments.positionals[0]) else {
            throw ProgramError.usage("'\(arguments.positionals[0])' is not an id (tapline-center quarantine list)")
        }
        return {
            try withRegistry(url) { _, connection in
                let listing = try Listing(
                    connection,
                    """
                    SELECT id, received_at, last_received_at, times, routing_key, user_id, scanner_id, reason, detail,
                        is_heartbeat, owner, coalesce(size, octet_length(body)) AS size,
                        encode(sha256, 'hex') AS sha256, body_dropped_at, encode(body, 'hex') AS body
                    FROM tapline.quarantine WHERE id = $1
                    """, [.int64(id)], json: json)
                guard json ? listing.json != "[]" : !listing.rows.isEmpty else {
                    throw ProgramError.failed("there is no quarantined batch \(id)")
                }
                if json { return TextOutput.json(listing.json) }
                for (column, value) in zip(listing.columns, listing.rows[0]) { TextOutput.line("\(column): \(value)") }
            }
        }
    }

    private static let quarantineDrop = Command(
        "quarantine drop", positionals: "[ID ...]", count: 0...10_000, "delete batches permanently",
        options: Selection.options
    ) { arguments in
        let (url, selection) = (try database(arguments), try Selection(arguments))
        return {
            let dropped = try withRegistry(url) { _, connection in
                try connection.query(
                    "DELETE FROM tapline.quarantine WHERE \(Selection.condition)", selection.parameters
                ).affectedRows
            }
            TextOutput.line("\(dropped) dropped")
            guard dropped > 0 || selection.ids.isEmpty else { throw ProgramError.failed("there are no such batches") }
        }
    }

    /// `--relay-user` of commands other than `run`.
    static let relayUser = Option(
        "relay-user", "NAME", "broker user that may publish for any scanner, as for run", kind: .repeated)

    private static let quarantineReplay = Command(
        "quarantine replay", positionals: "[ID ...]", count: 0...10_000,
        "store batches again, with deduplication; stored batches leave the quarantine",
        options: Selection.options + [relayUser]
    ) { arguments in
        let (url, selection) = (try database(arguments), try Selection(arguments))
        let relayUsers = Set(arguments.all("relay-user"))
        return {
            let left = try withRegistry(url) { _, connection in
                let (stored, left) = try replay(connection, selection, relayUsers)
                TextOutput.line("\(stored) stored, \(left) left")
                try trackNow(connection)
                return left
            }
            guard left == 0 else { throw ProgramError.failed("\(left) batches could not be stored") }
        }
    }

    /// Stores each batch in its own transaction, so that an invalid batch does not affect the others.
    private static func replay(
        _ connection: PostgresConnection, _ selection: Selection, _ relayUsers: Set<String>
    ) throws -> (taken: Int, left: Int) {
        let ids = try connection.query(
            "SELECT id FROM tapline.quarantine WHERE \(Selection.condition) ORDER BY id", selection.parameters)
        guard ids.rowCount > 0 || selection.ids.isEmpty else { throw ProgramError.failed("there are no such batches") }
        var taken = 0
        for index in 0..<ids.rowCount {
            let id = PostgresParameter.int64(ids.int(index, 0))
            let row = try connection.query(
                """
                SELECT convert_to(routing_key, 'UTF8'), user_id, body,
                    CASE WHEN is_heartbeat THEN last_received_at ELSE received_at END, size,
                    reason IN ('unknown-scanner', 'disabled-scanner', 'journal-rate', 'conflict')
                        OR reason = 'range' AND starts_with(detail, $2) AS was_identified
                FROM tapline.quarantine WHERE id = $1
                """, [id, .text(IngestStore.databaseRejection)], binary: true)
            guard row.rowCount == 1 else { continue }
            let body = row.bytes(0, 2)
            guard row.isNull(0, 4) || row.int(0, 4) == Int64(body.count) else {
                TextOutput.line(
                    "\(ids.int(index, 0)): cannot be stored, "
                        + (body.isEmpty ? "its body was dropped" : "only its first \(body.count) bytes were kept"))
                continue
            }
            let delivery = IngestDelivery(
                routingKey: row.bytes(0, 0), userID: row.optionalText(0, 1), body: body,
                receivedMicros: row.microseconds(0, 3))
            // A batch with one of these reasons passed the identity check, so its user is trusted again.
            let trusted = row.bool(0, 5) ? relayUsers.union([row.text(0, 1)]) : relayUsers
            let store = try IngestStore(connection, relayUsers: trusted, limits: .ofOperator)
            let outcome = try store.store([delivery], quarantining: false)[0]
            if case .accepted(_, _, conflicts: 0) = outcome {
                try connection.query("DELETE FROM tapline.quarantine WHERE id = $1", [id])
                taken += 1
            } else {
                TextOutput.line("\(ids.int(index, 0)): \(describe(outcome))")
            }
        }
        return (taken, ids.rowCount - taken)
    }

    static func describe(_ outcome: IngestOutcome) -> String {
        switch outcome {
        case .accepted(let stored, let duplicates, let conflicts):
            "\(stored) stored, \(duplicates) duplicates, \(conflicts) conflicts"
        case .quarantined(let reason, let detail): "\(reason.rawValue): \(detail)"
        case .rejected(let detail): "rejected: \(detail)"
        }
    }
}
