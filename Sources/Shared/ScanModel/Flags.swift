/// Circumstances of a scan (contract.md section 2).
///
/// Inlinable, because the compiler's cross-module optimisation covers public declarations only. Without it, each set
/// operation of a decision runs unspecialised.
@frozen @usableFromInline package struct Flags: OptionSet, Hashable, Sendable {
    @usableFromInline package let rawValue: UInt8
    @inlinable package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Direction: out if set, otherwise in.
    @inlinable package static var out: Flags { Flags(rawValue: 1 << 0) }
    @inlinable package static var operatorOverride: Flags { Flags(rawValue: 1 << 1) }
    @inlinable package static var clockNotTrusted: Flags { Flags(rawValue: 1 << 2) }
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
