import CLI
import Postgres
import RegistrationLists
import ScanModel

/// One registration list on its way into the database, within the caller's transaction.
///
/// Rows are streamed into a temporary table (`stage`), compared with what is stored by a few statements over all of
/// them (`match`, `refuse`), and what differs is stored (`store`). A statement that would change no row is not run:
/// triggers fire for those too.
struct ListImport {
    /// Memory of the server for one hash table or sort, twice this for hashes: a million rows are matched without
    /// files.
    private static let workMemory = "96MB"
    /// How long, in seconds, changes by hand may keep an import waiting; others would wait behind it.
    private static let lockLimitS = 60
    /// From so many rows on no nested loop is planned: statistics of tables that just grew may know nothing of it, and
    /// a loop within a loop over a million rows would take hours. Fewer rows are better looked up in the indexes.
    private static let manyRows = 10_000
    /// Rows between two looks at the progress.
    private static let progressRows = 1_000

    let connection: PostgresConnection
    let options: ImportOptions

    init(_ connection: PostgresConnection, _ options: ImportOptions) {
        (self.connection, self.options) = (connection, options)
    }

    /// Throws what `RegistryStore.import` does.
    func run(
        _ list: any RegistrationSource, _ book: inout PassResolver, _ done: inout ImportSummary,
        _ progress: (ImportProgress) -> Void
    ) throws {
        var list = list
        // An import that is killed gives its locks back at once, not at the end of its statement.
        try connection.execute(
            """
            SET LOCAL work_mem = '\(Self.workMemory)'; SET LOCAL jit = off;
            SET LOCAL client_connection_check_interval = '2s'
            """)
        var refused = ImportRejected()
        let ways = try stage(&list, book.names, &refused, &done, progress)
        progress(.comparing)
        try matchWithinList(list, &refused)
        guard refused.isEmpty else { throw refused }
        try storeWays(ways, &book)
        try lock()
        try match(list, &refused)
        guard refused.isEmpty else { throw refused }
        progress(.storing)
        try store(list, &done)
    }

    /// Changes by hand and this come one after the other; scans, gates and views go on, they only read here. The limit
    /// is for this lock alone: the commit waits its turn as that of any other change does.
    private func lock() throws {
        do {
            try connection.execute(
                """
                SET LOCAL lock_timeout = '\(Self.lockLimitS)s';
                LOCK TABLE tapline.attendees, tapline.tags IN SHARE ROW EXCLUSIVE MODE;
                SET LOCAL lock_timeout TO DEFAULT
                """)
        } catch {
            guard error.sqlState == "55P03" else { throw error }
            throw ProgramError.failed(
                "somebody else held attendees or tags for \(Self.lockLimitS) s (a transaction that was left open?): "
                    + "nothing was stored, try again")
        }
    }

    /// Copies the rows into `import_rows`, one for each tag of each row, and one for a row without any; gives the ways
    /// to open, by their number there. Bad rows are told, and reading goes on: all of them are named at once.
    private func stage(
        _ list: inout any RegistrationSource, _ passes: Set<String>, _ refused: inout ImportRejected,
        _ done: inout ImportSummary, _ progress: (ImportProgress) -> Void
    ) throws -> [RegistrationRow.AccessSet: Int32] {
        try connection.execute(
            """
            CREATE TEMPORARY TABLE import_rows (line integer NOT NULL, leads boolean NOT NULL, external_ref text,
                name text NOT NULL, category text, status text NOT NULL, way integer, tag_id bigint, tag_status text,
                tag_returns boolean)
                ON COMMIT DROP
            """)
        var ways: [RegistrationRow.AccessSet: Int32] = [:]
        let (buffer, format) = (CopyBuffer(), type(of: list))
        // The file's, not the database's: it must not look like one of COPY.
        var failure: (any Error)?
        try connection.copyIn("COPY import_rows FROM STDIN (FORMAT binary)", buffer) {
            (send) throws(PostgresError) in
            do {
                try list.read(passes: passes) { item in
                    switch item {
                    case .row(let row):
                        done.rows += 1
                        let way = row.access.flatMap { ways.number(of: $0) }
                        if way == nil, row.access != nil {
                            refused.add(
                                RowError(
                                    row.number, at: format.place(row.number, row.externalRef),
                                    "more than \(RegistrationRow.accessSetLimit) different sets of zones and times: give passes"
                                ))
                        }
                        Self.put(row, way, buffer)
                        try send()
                    case .problem(let problem):
                        done.rows += 1
                        refused.add(problem)
                    case .skipped: done.skipped += 1
                    }
                    if done.rows.isMultiple(of: Self.progressRows) { progress(.reading(rows: done.rows)) }
                }
            } catch let error as PostgresError { throw error } catch { failure = error }
        }
        if let problem = failure as? RowError { throw ImportRejected(problem) }
        if let failure { throw failure }
        progress(.reading(rows: done.rows))
        try connection.execute("ANALYZE import_rows")
        if done.rows >= Self.manyRows { try connection.execute("SET LOCAL enable_nestloop = off") }
        return ways
    }

    private static func put(_ row: RegistrationRow, _ way: Int32?, _ buffer: CopyBuffer) {
        for index in 0..<max(1, row.tags.count) {
            buffer.beginRow(10)
            buffer.put(Int32(clamping: row.number))
            buffer.put(index == 0)
            buffer.put(row.externalRef)
            buffer.put(row.name)
            buffer.put(row.category)
            buffer.put(row.status.rawValue)
            if let way { buffer.put(way) } else { buffer.putNull() }
            guard index < row.tags.count else {
                buffer.putNull()
                buffer.putNull()
                buffer.putNull()
                continue
            }
            buffer.put(row.tags[index].id.rawValue)
            buffer.put(row.tags[index].status.rawValue)
            buffer.put(row.tags[index].isRestorable)
        }
    }

    private func storeWays(_ ways: [RegistrationRow.AccessSet: Int32], _ book: inout PassResolver) throws {
        let ordered = ways.sorted { $0.value < $1.value }
        let passes = try ordered.map { try book.pass(for: $0.key) }
        try connection.execute(
            "CREATE TEMPORARY TABLE import_ways (way integer NOT NULL, pass_id bigint NOT NULL) ON COMMIT DROP")
        try connection.query(
            "INSERT INTO import_ways SELECT * FROM unnest($1::integer[], $2::bigint[])",
            [.int32s(ordered.map(\.value)), .int64s(passes)])
        try connection.execute("ANALYZE import_ways")
    }
}

extension [RegistrationRow.AccessSet: Int32] {
    /// The number of a way to open, counted from 0; nil for one too many.
    fileprivate mutating func number(of way: RegistrationRow.AccessSet) -> Int32? {
        if let number = self[way] { return number }
        guard count < RegistrationRow.accessSetLimit else { return nil }
        let number = Int32(count)
        self[way] = number
        return number
    }
}
