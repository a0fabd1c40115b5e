import Crypto

/// The pseudonym of a tag: the first 8 bytes, big-endian, of HMAC-SHA-256(event key, identity) (contract.md section 2).
/// Lane events have tag 0.
package struct TagID: RawRepresentable, Hashable, Sendable, Comparable {
    /// The 8 bytes as a signed number, as in the database.
    package let rawValue: Int64
    /// Creates a tag ID from its number in the database.
    package init(rawValue: Int64) { self.rawValue = rawValue }

    /// The tag of lane events.
    package static let none = TagID(rawValue: 0)
    /// Orders by number, like PostgreSQL's `bigint`.
    package static func < (left: TagID, right: TagID) -> Bool { left.rawValue < right.rawValue }
}

/// The identity of a tag in a reader or in a registration list. The event key computes the tag ID from it.
package enum TagIdentity: Hashable, Sendable {
    /// UID of a chip without authentication.
    case uid([UInt8])
    /// UID of a chip that authenticated itself by a secure unique NFC message (NTAG 424 DNA).
    case sun([UInt8])
    /// A bar code.
    case code(CodeText)

    /// The message of the HMAC.
    package var bytes: [UInt8] {
        switch self {
        case .uid(let uid): uid
        case .sun(let uid): Array("sun:".utf8) + uid
        case .code(let code): Array("code:".utf8) + Array(code.text.utf8)
        }
    }
}

/// The 32-byte secret of the event, with which tag IDs are computed, and the event's rule for codes. UIDs never leave
/// the gate.
package struct EventKey: Sendable {
    /// Size of the key, in bytes.
    package static let length = 32
    /// The event's rule for the case of letters in codes. It changes the tag IDs of codes.
    package var codeCase = CodeCase.exact
    private let mac: HMACSHA256

    /// Returns whether all bytes are equal, as of a file that was filled and not drawn at random.
    package static func isGuessable(_ bytes: [UInt8]) -> Bool { bytes.allSatisfy { $0 == bytes.first } }

    /// Creates a key; `nil` unless it has exactly 32 bytes.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == EventKey.length else { return nil }
        mac = HMACSHA256(key: bytes)
    }

    /// The public name of the key: 16 lower-case hexadecimal digits, the first 8 bytes of HMAC-SHA-256(event key, ASCII
    /// `tapline event key`).
    ///
    /// It tells two keys apart and does not reveal them. Registry and snapshots carry it, so that another key is refused.
    package var fingerprint: String {
        let digits = String(mac.authenticate64(Array("tapline event key".utf8)), radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// Returns whether a text has the form of a fingerprint.
    package static func isFingerprint(_ text: String) -> Bool {
        text.utf8.count == 16 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    /// The same key with the event's rule for codes.
    package func with(_ codeCase: CodeCase) -> EventKey {
        var key = self
        key.codeCase = codeCase
        return key
    }

    /// Computes the tag ID of an identity.
    package func tagID(of identity: TagIdentity) -> TagID { tagID(of: identity, by: codeCase) }

    /// Computes the tag ID of an identity by another rule for codes, without a copy of the key's state.
    package func tagID(of identity: TagIdentity, by codeCase: CodeCase) -> TagID {
        var identity = identity
        if codeCase == .fold, case .code(let code) = identity { identity = .code(code.folded) }
        return TagID(rawValue: Int64(bitPattern: mac.authenticate64(identity.bytes)))
    }
}
