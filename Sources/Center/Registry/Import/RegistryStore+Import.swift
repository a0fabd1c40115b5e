import Postgres
package import RegistrationLists
import Runtime
import TextRules

extension RegistryStore {
    /// The advisory lock of imports: "TPLN" and 3. 2 is `ExportLock.advisoryKey`.
    private static let importLock: Int64 = 0x5450_4C4E_0003

    /// Imports passes and a registration list: completely, or not at all.
    ///
    /// Passes are found by name. An attendee is found by `external_ref`, otherwise by a tag and the same name.
    /// Attendees that are found are updated where they differ; the others are added. No attendee is deleted. Zones that
    /// do not exist are created if the options allow it. Importing the same list again writes nothing.
    ///
    /// Imports run one after the other. Other changes of attendees and tags wait while an import compares and stores.
    ///
    /// - Parameters:
    ///   - list: `nil`: only passes are imported.
    ///   - passes: imported before the list.
    ///   - progress: called often.
    /// - Returns: the number of changes; for a dry run, of the changes that were undone.
    /// - Throws: `RegistryError.keyDiffers` and `RegistryError.zonesMissing` before anything is stored;
    ///   `ImportRejected` for invalid rows, and for rows that contradict the database (an unknown pass, a tag
    ///   of another attendee); `RegistryError.shrinks` if `ImportOptions` does not allow the number of removals;
    ///   `RegistryError`, `PostgresError`, and the errors of `RegistrationSource.read`.
    package func `import`(
        _ list: (any RegistrationSource)?, passes: PassCSV? = nil, _ options: ImportOptions = ImportOptions(),
        progress: (ImportProgress) -> Void = { _ in }
    ) throws -> ImportSummary {
        try change {
            try waitForOtherImports()
            try requireKey(options.keyFingerprint)
            if options.isDryRun { try connection.execute("SAVEPOINT dry_run") }
            let resolver = try PassResolver(connection)
            if let passes {
                try resolver.store(passes)
                if !options.makeZones { try resolver.requireKnownZones() }
            }
            var summary = ImportSummary()
            if let list {
                var listImport = ListImport(connection, list, resolver, options)
                summary = try listImport.run(progress)
                if let key = options.keyFingerprint {
                    switch listImport.keyProof {
                    case .proved: try noteKey(key)
                    case .unproved where try knownKey() == nil:
                        summary.warnings.append(
                            "the event key \(key) was not noted: no tag that it gives was registered before, so nothing "
                                + "shows that the registered tags were made with it")
                    case .unproved, .none: break
                    }
                }
            }
            if !resolver.similarZones.isEmpty, !options.makeZones {
                let names = resolver.similarZones.map { "'\($0.visible)'" }.joined(separator: ", ")
                summary.warnings.append("the list made zones with similar names, is one a typing error: \(names)")
            }
            summary.warnings += passes?.warnings ?? []
            summary.isDryRun = options.isDryRun
            summary.passesMade = resolver.passesMade
            summary.passesChanged = resolver.passesChanged
            summary.zonesMade = resolver.zonesMade
            if options.isDryRun { try connection.execute("ROLLBACK TO SAVEPOINT dry_run") }
            return summary
        }
    }

    private func waitForOtherImports() throws {
        let key = PostgresParameter.int64(Self.importLock)
        if try connection.query("SELECT pg_try_advisory_xact_lock($1)", [key]).bool(0, 0) { return }
        log.info("another import is running, waiting for its end")
        try connection.query("SELECT pg_advisory_xact_lock($1)", [key])
    }
}
