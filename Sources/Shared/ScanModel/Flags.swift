/// Circumstances of a scan (SPEC.md section 2).
package struct Flags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Direction: set is out, clear is in.
    package static let out = Flags(rawValue: 1 << 0)
    package static let operatorOverride = Flags(rawValue: 1 << 1)
    package static let clockNotTrusted = Flags(rawValue: 1 << 2)
    package static let snapshotExpired = Flags(rawValue: 1 << 3)
    /// A check without passage (roaming handheld); never moves presence.
    package static let inspection = Flags(rawValue: 1 << 4)
    /// Admitted although inside (soft anti-passback).
    package static let reuse = Flags(rawValue: 1 << 5)
}

/// The way a tap goes through a gate.
package enum Direction: String, Sendable, CaseIterable {
    case `in`, out
}
