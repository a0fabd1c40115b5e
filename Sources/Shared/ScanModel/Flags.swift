/// Circumstances of a scan (SPEC.md section 2).
public struct Flags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Direction: set is out, clear is in.
    public static let out = Flags(rawValue: 1 << 0)
    public static let operatorOverride = Flags(rawValue: 1 << 1)
    public static let clockNotTrusted = Flags(rawValue: 1 << 2)
    public static let snapshotExpired = Flags(rawValue: 1 << 3)
    /// A check without passage (roaming handheld); never moves presence.
    public static let inspection = Flags(rawValue: 1 << 4)
    /// Admitted although inside (soft anti-passback).
    public static let reuse = Flags(rawValue: 1 << 5)
}

/// The way a tap goes through a gate.
public enum Direction: String, Sendable, CaseIterable {
    case `in`, out
}
