/// Circumstances of a scan (contract.md section 2).
///
/// Inlinable, because the compiler's cross-module optimisation covers public declarations only. Without it, each set
/// operation of a decision runs unspecialised.
@frozen @usableFromInline package struct Flags: OptionSet, Hashable, Sendable {
    /// The bits in journal, batch and database.
    @usableFromInline package let rawValue: UInt8
    /// Creates flags from their bits. Unknown bits are kept.
    @inlinable package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Direction: out if set, otherwise in.
    @inlinable package static var out: Flags { Flags(rawValue: 1 << 0) }
    /// The mode of the lane or an operator changed the verdict of the rules.
    @inlinable package static var operatorOverride: Flags { Flags(rawValue: 1 << 1) }
    /// The device clock was not trusted at the tap.
    @inlinable package static var clockNotTrusted: Flags { Flags(rawValue: 1 << 2) }
    /// The snapshot was past its expiry at the tap.
    @inlinable package static var snapshotExpired: Flags { Flags(rawValue: 1 << 3) }
    /// A check without a passage, by a handheld; does not change presence.
    @inlinable package static var inspection: Flags { Flags(rawValue: 1 << 4) }
    /// Admitted while already inside (soft anti-passback).
    @inlinable package static var reuse: Flags { Flags(rawValue: 1 << 5) }
}

/// The direction of a tap through a gate.
package enum Direction: String, Sendable, CaseIterable {
    case `in`, out
}
