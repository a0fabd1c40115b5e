import Crypto

/// What stands for a tag outside the gate: the first 8 bytes, big-endian, of HMAC-SHA-256(event key, identity)
/// (SPEC.md section 2). Zero stands for "no tag" in lane events.
package struct TagID: RawRepresentable, Hashable, Sendable, Comparable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }

    package static let none = TagID(rawValue: 0)
    package static func < (left: TagID, right: TagID) -> Bool { left.rawValue < right.rawValue }
}

/// What a reader, or a row of the registration list, knows of a tag before the event key turns it into a tag ID.
package enum TagIdentity: Hashable, Sendable {
    /// A chip known only by its UID.
    case uid([UInt8])
    /// A chip that authenticated itself (NTAG 424 DNA secure unique NFC message).
    case sun([UInt8])
    /// The text of a bar code.
    case code(String)

    /// The bytes that go into the HMAC.
    package var bytes: [UInt8] {
        switch self {
        case .uid(let uid): uid
        case .sun(let uid): Array("sun:".utf8) + uid
        case .code(let text): Array("code:".utf8) + Array(text.utf8)
        }
    }
}

/// The event's 32-byte secret that turns identities into tag IDs. Raw UIDs never leave the gate.
package struct EventKey: Sendable {
    package static let length = 32
    private let mac: HMACSHA256

    /// Nil unless there are exactly 32 bytes.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == EventKey.length else { return nil }
        mac = HMACSHA256(key: bytes)
    }

    package func tagID(of identity: TagIdentity) -> TagID {
        TagID(rawValue: Int64(bitPattern: mac.authenticate64(identity.bytes)))
    }
}
