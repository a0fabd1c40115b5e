/// Circumstances of a scan (contract.md section 2).
package struct Flags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Direction: out if set, otherwise in.
    package static let out = Flags(rawValue: 1 << 0)
    package static let operatorOverride = Flags(rawValue: 1 << 1)
    package static let clockNotTrusted = Flags(rawValue: 1 << 2)
    package static let snapshotExpired = Flags(rawValue: 1 << 3)
    /// A check without a passage, by a handheld; does not change presence.
    package static let inspection = Flags(rawValue: 1 << 4)
    /// Admitted while already inside (soft anti-passback).
    package static let reuse = Flags(rawValue: 1 << 5)
}

/// The direction of a tap through a gate.
package enum Direction: String, Sendable, CaseIterable {
    case `in`, out
}
