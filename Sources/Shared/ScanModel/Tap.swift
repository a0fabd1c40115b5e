/// One tap as a reader saw it, before anybody decided.
package struct Tap: Hashable, Sendable {
    /// What stands behind the identity.
    package enum Proof: Hashable, Sendable {
        /// A chip known only by its UID, which can be copied.
        case uid
        /// A chip whose secure message verified, with its read counter (24 bits).
        case authentic(counter: Int64)
        /// The text of a code.
        case code
        /// A chip that sent a secure message which did not verify; its identity is the plain UID.
        case forged
        /// A UID that the chip draws anew each time (08...), and no secure message: it identifies nobody.
        case randomUID
    }

    package var identity: TagIdentity
    package var proof: Proof
    package var direction: Direction
    /// Milliseconds since 1970-01-01 UTC, given with the tap: a replay. Nil: the device clock counts.
    package var atMs: Int64?

    package init(_ identity: TagIdentity, proof: Proof, direction: Direction = .in, atMs: Int64? = nil) {
        (self.identity, self.proof, self.direction, self.atMs) = (identity, proof, direction, atMs)
    }
}

/// What a reader tells its lane.
package enum ReaderEvent: Hashable, Sendable {
    case tap(Tap)
    /// The reader cannot be reached or does not respond.
    case lost(ReaderProblem)
    /// It can be read from: at the start, and after `lost`.
    case back
}
