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
}
