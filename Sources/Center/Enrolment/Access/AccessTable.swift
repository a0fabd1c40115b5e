import Crypto

/// The download credentials of the enabled scanners in memory. Pure.
struct AccessTable: Sendable {
    /// One accepted token.
    struct Entry: Sendable {
        /// SHA-256 of the token.
        let hash: [UInt8]
        let scanner: String
        /// Whether it is the token of a rotation, which the device shows when it has the new file.
        var isNew = false
        /// New enrolment file for the device, encrypted; `nil` without a rotation.
        var renewal: [UInt8]?
    }

    private let entries: [Entry]

    init(_ entries: [Entry] = []) { self.entries = entries }

    /// Finds a token. Compares with every entry, so that the duration says nothing about the entries.
    func entry(ofToken token: String) -> Entry? {
        // A longer text is no token, and need not be hashed.
        guard (1...256).contains(token.utf8.count) else { return nil }
        let hash = SHA256.hash(Array(token.utf8))
        var found: Int?
        for index in entries.indices where constantTimeEqual(entries[index].hash, hash) { found = index }
        return found.map { entries[$0] }
    }
}
