import Crypto

/// The valid tokens of viewers in memory, by their hashes. Pure.
struct ViewerTable: Sendable {
    /// One token.
    struct Entry: Equatable, Sendable {
        let role: ViewerRole
        /// End of the token, in microseconds since 1970.
        let expiresMicros: Int64
    }

    private let entries: [[UInt8]: Entry]

    init(_ entries: [[UInt8]: Entry] = [:]) { self.entries = entries }

    /// Finds a token by its hash, so that the duration says nothing about other tokens.
    func entry(ofToken token: String, nowMicros: Int64) -> Entry? {
        // Another length is no token, and need not be hashed.
        guard token.utf8.count == ViewerTokenStore.tokenLength else { return nil }
        return entries[ViewerTokenStore.hash(token)].flatMap { $0.expiresMicros > nowMicros ? $0 : nil }
    }
}
