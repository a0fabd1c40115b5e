/// A tap as read by a reader, before the decision.
package struct Tap: Hashable, Sendable {
    /// The evidence for the identity.
    package enum Proof: Hashable, Sendable {
        /// A chip with its UID only, which can be copied.
        case uid
        /// A chip with a valid secure message, and its read counter (24 bits).
        case authentic(counter: Int64)
        /// The text of a code.
        case code
        /// A chip with an invalid secure message; its identity is the UID.
        case forged
        /// A chip with a random UID (08...) that changes at each read, and without a secure message: no usable
        /// identity.
        case randomUID
        /// A part of a longer UID (88...), as some readers send it: no usable identity.
        case partialUID

        /// Why such a tap counts as a read without a tag; `nil` for a usable identity.
        package var droppedRead: DroppedRead? {
            switch self {
            case .randomUID: .randomUID
            case .partialUID: .partialUID
            case .uid, .authentic, .code, .forged: nil
            }
        }
    }

    /// The identity in the form in which the reader received it.
    package var identity: TagIdentity
    /// The evidence for `identity`.
    package var proof: Proof
    /// The direction of the reader.
    package var direction: Direction
    /// Time of a replayed tap, in milliseconds since 1970-01-01 UTC; `nil` for the device clock.
    package var atMs: Int64?

    /// Creates a tap.
    ///
    /// - Parameters:
    ///   - identity: the identity in the form in which the reader received it.
    ///   - proof: the evidence for `identity`.
    ///   - direction: the direction of the reader.
    ///   - atMs: time of a replayed tap, in milliseconds since 1970-01-01 UTC; `nil` for the device clock.
    package init(_ identity: TagIdentity, proof: Proof, direction: Direction = .in, atMs: Int64? = nil) {
        self.identity = identity
        self.proof = proof
        self.direction = direction
        self.atMs = atMs
    }
}

/// An event of a reader.
package enum ReaderEvent: Hashable, Sendable {
    /// A tag or a code was read.
    case tap(Tap)
    /// Something was read that is no tag.
    ///
    /// - Parameter count: number of such reads since the last event of this kind, at least 1.
    case dropped(DroppedRead, count: Int)
    /// The reader cannot be reached or does not respond.
    case lost(ReaderProblem)
    /// It can be read from: at the start, and after `lost`.
    case back
}
