import Postgres

extension RegistryStore {
    /// Compares the key of a list or a tag with the event's, within the transaction of the caller.
    ///
    /// - Parameter fingerprint: `EventKey.fingerprint`; `nil` for a change without a key.
    /// - Throws: `RegistryError.keyDiffers` if tags were made with another key; `PostgresError`.
    func requireKey(_ fingerprint: String?) throws {
        guard let fingerprint else { return }
        let found = try connection.query("SELECT key_fingerprint FROM tapline.event_settings")
        guard let known = found.optionalText(0, 0), known != fingerprint, try hasTags() else {
            return
        }
        throw RegistryError.keyDiffers(event: known, given: fingerprint)
    }

    /// Stores the key that the event's tags are made with, unless it is known. Call it after the change.
    ///
    /// An event without tags takes the key of the next list. `early_event_key` holds it until the event has a name.
    func noteKey(_ fingerprint: String?) throws {
        guard let fingerprint, try hasTags() else { return }
        let known = try connection.query("SELECT key_fingerprint, name FROM tapline.event_settings")
        guard known.optionalText(0, 0) != fingerprint else { return }
        try connection.query(
            known.optionalText(0, 1) != nil
                ? "UPDATE tapline.event SET key_fingerprint = $1"
                : """
                INSERT INTO tapline_internal.early_event_key (fingerprint) VALUES ($1)
                ON CONFLICT (singleton) DO UPDATE SET fingerprint = excluded.fingerprint
                """, [.text(fingerprint)])
    }

    private func hasTags() throws -> Bool {
        try connection.query("SELECT EXISTS (SELECT FROM tapline.tags)").bool(0, 0)
    }
}
