import Postgres
package import ScanModel

extension RegistryStore {
    /// Returns the event's rule for codes, which the tag IDs of codes are made with.
    ///
    /// - Throws: `PostgresError`.
    package func codeCase() throws -> CodeCase {
        let text = try connection.query("SELECT coalesce(max(code_case), 'exact') FROM tapline.event").text(0, 0)
        // A constraint of the column lists the values.
        return CodeCase(rawValue: text) ?? .exact
    }

    /// Sets the event's rule for codes. Gates apply it with their next snapshot.
    ///
    /// The registry does not store codes, so it cannot compute the tag IDs that they have by the new rule.
    ///
    /// - Returns: number of tags that are registered by another rule: their lists must be imported again. 0 if the rule
    ///   is unchanged.
    /// - Throws: `RegistryError.eventNameMissing` without an event, `PostgresError`.
    package func setCodeCase(_ codeCase: CodeCase) throws -> Int {
        try change {
            let former = try self.codeCase()
            guard former != codeCase else { return 0 }
            let updated = try connection.query(
                "UPDATE tapline.event SET code_case = $1", [.text(codeCase.rawValue)])
            guard updated.affectedRows == 1 else { throw RegistryError.eventNameMissing }
            return Int(try connection.query("SELECT count(*) FROM tapline.tags").int(0, 0))
        }
    }
}
