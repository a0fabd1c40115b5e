import Postgres
package import RegistrationLists
import Runtime

extension RegistryStore {
    /// The advisory lock of imports: "TPLN" and 3; 2 is `ExportLock.advisoryKey`.
    private static let importLock: Int64 = 0x5450_4C4E_0003

    /// Brings passes and a registration list over: whole, or not at all.
    ///
    /// Passes are found by name. An attendee is found by `external_ref`, else by a tag and the same name; what is found
    /// is brought up to date where it differs, what is not is added, and nobody is removed. Importing the same list
    /// again writes nothing. Zones that are named and do not exist are made. Imports come one after the other; changes
    /// by hand wait while one compares and stores.
    ///
    /// Throws `ImportRejected` for bad rows and for rows that contradict the database (an unknown pass, a tag of another
    /// attendee); `ProgramError` (failed) when more would be taken away than `ImportOptions` allows.
    package func `import`(
        _ list: (any RegistrationSource)?, passes: PassCSV? = nil, _ options: ImportOptions = ImportOptions(),
        progress: (ImportProgress) -> Void = { _ in }
    ) throws -> ImportSummary {
        do {
            return try change {
                try waitForOtherImports()
                var done = ImportSummary()
                done.isDryRun = options.isDryRun
                var book = try PassResolver(connection)
                if let passes { try book.store(passes) }
                if let list { try ListImport(connection, options).run(list, &book, &done, progress) }
                (done.passesMade, done.passesChanged) = (book.passesMade, book.passesChanged)
                done.zonesMade = book.zonesMade
                guard !options.isDryRun else { throw Undone(done: done) }
                return done
            }
        } catch let undone as Undone { return undone.done }
    }

    /// Undoes a dry run.
    private struct Undone: Error { let done: ImportSummary }

    private func waitForOtherImports() throws {
        let key = PostgresParameter.int64(Self.importLock)
        if try connection.query("SELECT pg_try_advisory_xact_lock($1)", [key]).bool(0, 0) { return }
        log.info("another import is running: waiting for its end")
        try connection.query("SELECT pg_advisory_xact_lock($1)", [key])
    }
}
