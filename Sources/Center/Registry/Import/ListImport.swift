import Postgres
import RegistrationLists
import ScanModel

/// The import of one registration list, within the transaction of the caller.
///
/// Rows are streamed into a temporary table (`stage`). A few statements over all rows compare them with the database
/// (`matchWithinList`, `match`), and others store the differences (`store`). Statements that would change no row are
/// not run, because statement triggers fire for them, too.
///
/// Temporary tables: `import_rows` has a row for each tag of each row of the list. The first row of an attendee is its
/// lead row; the others only add tags. `import_access_sets` maps each access set to its pass. `import_match` has the
/// matching attendee and tag owner for each row of `import_rows`.
struct ListImport {
    /// Memory of the server for one sort; a hash table takes twice this. A million rows are then matched without files.
    private static let workMemory = "96MB"
    /// Maximum time to wait for the lock, in seconds. Other transactions wait behind a waiting lock.
    private static let lockLimitS = 60
    /// From this number of rows on, no nested loop is planned. Statistics of tables that just grew can be missing. A
    /// loop within a loop over a million rows would take hours. Fewer rows are looked up faster in the indexes.
    private static let manyRows = 10_000
    /// Number of rows between two progress reports.
    private static let progressRows = 1_000

    let connection: PostgresConnection
    let list: any RegistrationSource
    let options: ImportOptions
    private let resolver: PassResolver
    /// The attendee data that the list has.
    private(set) var fields: Set<RegistrationField> = []
    var summary = ImportSummary()
    var rejected = ImportRejected()
    /// What the list shows of the event key, after `run`.
    private(set) var keyProof = KeyProof.none

    /// What a list shows of the event key that its tag IDs are made with.
    enum KeyProof {
        /// The list has no tag that was made with a key.
        case none
        /// Tags are registered, and none of those that the key gives is among them.
        case unproved
        /// The key gives the ID of a registered tag, or those of the first tags.
        case proved
    }

    init(
        _ connection: PostgresConnection, _ list: any RegistrationSource, _ resolver: PassResolver,
        _ options: ImportOptions
    ) {
        self.connection = connection
        self.list = list
        self.resolver = resolver
        self.options = options
    }

    /// Imports the list.
    ///
    /// - Returns: the changes of attendees and tags.
    /// - Throws: as `RegistryStore.import`.
    mutating func run(_ progress: (ImportProgress) -> Void) throws -> ImportSummary {
        // The server then detects within 2 s that the client was killed, and releases the locks.
        try connection.execute(
            """
            SET LOCAL work_mem = '\(Self.workMemory)'; SET LOCAL jit = off;
            SET LOCAL client_connection_check_interval = '2s'
            """)
        let accessSets = try stage(progress)
        progress(.comparing)
        try matchWithinList()
        guard rejected.isEmpty else {
            try TimeExamples(connection).add(to: &rejected)
            throw rejected
        }
        try storeAccessSets(accessSets)
        if !options.makeZones { try resolver.requireKnownZones() }
        try lock()
        try match()
        guard rejected.isEmpty else { throw rejected }
        if options.keyFingerprint != nil { keyProof = try proveKey() }
        progress(.storing)
        try store()
        return summary
    }

    private func proveKey() throws -> KeyProof {
        let found = try connection.query(
            """
            SELECT EXISTS (SELECT FROM import_rows WHERE tag_keyed), NOT EXISTS (SELECT FROM tapline.tags)
                OR EXISTS (SELECT FROM import_rows r JOIN tapline.tags t ON t.tag_id = r.tag_id WHERE r.tag_keyed)
            """)
        return found.bool(0, 0) ? (found.bool(0, 1) ? .proved : .unproved) : .none
    }

    /// Excludes other changes of attendees and tags. Ingestion, exports and views continue, because they only read
    /// these tables. The time limit applies to this lock only.
    private func lock() throws {
        do {
            try connection.execute(
                """
                SET LOCAL lock_timeout = '\(Self.lockLimitS)s';
                LOCK TABLE tapline.attendees, tapline.tags IN SHARE ROW EXCLUSIVE MODE;
                SET LOCAL lock_timeout TO DEFAULT
                """)
        } catch {
            // lock_not_available
            guard error.sqlState == "55P03" else { throw error }
            throw RegistryError.locked(limitS: Self.lockLimitS)
        }
    }

    // MARK: Reading

    /// The result of reading a list.
    private struct Staged {
        var accessSets: [RegistrationRow.AccessSet: Int32] = [:]
        var rows = 0
        var skipped = 0
        var rejected = ImportRejected()

        /// Returns the number of an access set, from 0; `nil` if there are too many.
        mutating func number(of accessSet: RegistrationRow.AccessSet) -> Int32? {
            if let number = accessSets[accessSet] { return number }
            guard accessSets.count < RegistrationRow.accessSetLimit else { return nil }
            let number = Int32(accessSets.count)
            accessSets[accessSet] = number
            return number
        }
    }

    /// Copies the rows of the list into `import_rows`. Invalid rows do not end the reading, so that all of them are
    /// reported.
    ///
    /// - Returns: the access sets with their numbers in `import_rows`.
    private mutating func stage(_ progress: (ImportProgress) -> Void) throws -> [RegistrationRow.AccessSet: Int32] {
        try connection.execute(
            """
            CREATE TEMPORARY TABLE import_rows (line integer NOT NULL, lead_row boolean NOT NULL, external_ref text,
                name text NOT NULL, category text, status text NOT NULL, access_set integer, tag_id bigint,
                tag_status text, tag_restorable boolean, tag_keyed boolean)
                ON COMMIT DROP
            """)
        var staged = Staged()
        let format = type(of: list)
        let passes = resolver.names
        let buffer = CopyBuffer()
        // An error of the list must not appear as an error of COPY.
        var reading: Result<RegistrationReport, any Error>?
        try connection.copyIn("COPY import_rows FROM STDIN (FORMAT binary)", buffer) {
            (send) throws(PostgresError) in
            do {
                let report = try list.read(passes: passes) { item in
                    switch item {
                    case .row(let row):
                        staged.rows += 1
                        let accessSet = row.access.flatMap { staged.number(of: $0) }
                        if accessSet == nil, row.access != nil {
                            staged.rejected.add(
                                RowError(
                                    row.number, at: format.place(row.number, row.externalRef),
                                    "more than \(RegistrationRow.accessSetLimit) different sets of zones and times: "
                                        + "use passes"))
                        }
                        Self.put(row, accessSet, buffer)
                        try send()
                    case .problem(let problem):
                        staged.rows += 1
                        staged.rejected.add(problem)
                    case .skipped: staged.skipped += 1
                    }
                    if staged.rows.isMultiple(of: Self.progressRows) { progress(.reading(rows: staged.rows)) }
                }
                reading = .success(report)
            } catch let error as PostgresError { throw error } catch { reading = .failure(error) }
        }
        let report: RegistrationReport?
        do { report = try reading?.get() } catch let problem as RowError { throw ImportRejected(problem) }
        summary.rows = staged.rows
        summary.skipped = staged.skipped
        rejected = staged.rejected
        if let report { use(report) }
        progress(.reading(rows: staged.rows))
        try normalise()
        try connection.execute("ANALYZE import_rows")
        if staged.rows >= Self.manyRows { try connection.execute("SET LOCAL enable_nestloop = off") }
        return staged.accessSets
    }

    /// Takes over what was noticed in the whole list.
    private mutating func use(_ report: RegistrationReport) {
        fields = report.fields
        summary.uids = report.uids
        summary.warnings = report.warnings
        if summary.rows + summary.skipped == 0 {
            summary.warnings.append("the list has no rows: is it the right file?")
        }
        if options.voidMissing, report.uncounted > 0 {
            summary.warnings.append(
                "the files do not say how many entries the whole list has, so a missing part is not noticed: "
                    + "its attendees become void")
        }
        if report.uids.counts.count > 1 || rejected.has(.uidLengths) {
            rejected.notes.append(report.uids.description)
        }
    }

    /// Brings the texts into the Unicode form of the stored ones, so that they can be compared.
    private func normalise() throws {
        try connection.execute(
            """
            UPDATE import_rows SET name = normalize(name, NFC), category = normalize(category, NFC),
                external_ref = normalize(external_ref, NFC)
            WHERE name IS NOT NFC NORMALIZED OR category IS NOT NFC NORMALIZED OR external_ref IS NOT NFC NORMALIZED
            """)
    }

    private static func put(_ row: RegistrationRow, _ accessSet: Int32?, _ buffer: CopyBuffer) {
        for index in 0..<max(1, row.tags.count) {
            buffer.beginRow(11)
            buffer.put(Int32(clamping: row.number))
            buffer.put(index == 0)
            buffer.put(row.externalRef)
            buffer.put(row.name)
            buffer.put(row.category)
            buffer.put(row.status.rawValue)
            if let accessSet { buffer.put(accessSet) } else { buffer.putNull() }
            guard index < row.tags.count else {
                for _ in 0..<4 { buffer.putNull() }
                continue
            }
            buffer.put(row.tags[index].id.rawValue)
            buffer.put(row.tags[index].status.rawValue)
            buffer.put(row.tags[index].isRestorable)
            buffer.put(row.tags[index].isKeyed)
        }
    }

    /// Finds or creates the pass of each access set.
    private func storeAccessSets(_ accessSets: [RegistrationRow.AccessSet: Int32]) throws {
        let ordered = accessSets.sorted { $0.value < $1.value }
        let passes = try ordered.map { try resolver.pass(for: $0.key) }
        try connection.execute(
            """
            CREATE TEMPORARY TABLE import_access_sets (access_set integer NOT NULL, pass_id bigint NOT NULL)
                ON COMMIT DROP
            """)
        try connection.query(
            "INSERT INTO import_access_sets SELECT * FROM unnest($1::integer[], $2::bigint[])",
            [.int32s(ordered.map(\.value)), .int64s(passes)])
        try connection.execute("ANALYZE import_access_sets")
    }
}
