import Postgres

extension RegistryStore {
    /// Compares the key of a list or a tag with the event's, within the transaction of the caller.
    ///
    /// - Parameter fingerprint: `EventKey.fingerprint`; `nil` for a change without a key.
    /// - Throws: `RegistryError.keyDiffers` if tags were made with another key; `PostgresError`.
    func requireKey(_ fingerprint: String?) throws {
        guard let fingerprint, let known = try knownKey(), known != fingerprint, try hasTags() else { return }
        throw RegistryError.keyDiffers(event: known, given: fingerprint)
    }

    /// Stores the key that the event's tags are made with, unless it is known.
    ///
    /// Call it only for a key that is proved: it gave the ID of a registered tag, or those of the first tags.
    /// `early_event_key` holds it until the event has a name.
    func noteKey(_ fingerprint: String) throws {
        guard try knownKey() != fingerprint else { return }
        let hasEvent = try connection.query("SELECT EXISTS (SELECT FROM tapline.event)").bool(0, 0)
        try connection.query(
            hasEvent
                ? "UPDATE tapline.event SET key_fingerprint = $1"
                : """
                INSERT INTO tapline_internal.early_event_key (fingerprint) VALUES ($1)
                ON CONFLICT (singleton) DO UPDATE SET fingerprint = excluded.fingerprint
                """, [.text(fingerprint)])
    }

    /// - Returns: the fingerprint of the event's key; `nil` if it is not known.
    func knownKey() throws -> String? {
        try connection.query("SELECT key_fingerprint FROM tapline.event_settings").optionalText(0, 0)
    }

    /// Whether any tag is registered.
    func hasTags() throws -> Bool {
        try connection.query("SELECT EXISTS (SELECT FROM tapline.tags)").bool(0, 0)
    }
}
