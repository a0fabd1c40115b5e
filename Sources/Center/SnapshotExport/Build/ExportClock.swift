import Snapshots

/// The time of a new snapshot, by the clocks of the database and of the machine that exports. Pure.
///
/// Scanners refuse a snapshot that was created more than an hour after their own time. So a snapshot is never created
/// ahead of one of the two clocks: a revocation must reach the gates also while one of them is ahead.
struct ExportClock: Sendable, Equatable {
    /// Difference from which on the clocks are not right together, in seconds. As the skew of a scanner that raises an
    /// alert.
    static let differenceLimitS: Int64 = 300
    /// Maximum time that is added to the lifetime of a snapshot if the clocks differ, in seconds.
    static let addedLifetimeLimitS: Int64 = 7 * 86_400
    /// The clock of the database, in seconds since 1970.
    let databaseS: Int64
    /// The clock of this machine, in seconds since 1970.
    let machineS: Int64

    /// The clocks that were ever set.
    private var usable: [Int64] { [databaseS, machineS].filter { $0 >= InstallClock.earliestS } }

    /// The time for a new snapshot and for what is due: the earlier clock.
    var nowS: Int64 { usable.min() ?? max(databaseS, machineS) }

    /// Whether the clocks differ by more than the limit.
    var isDoubtful: Bool {
        max(databaseS, machineS) - ExportClock.differenceLimitS > min(databaseS, machineS)
    }

    /// Returns when a snapshot that is created now expires, in seconds since 1970.
    ///
    /// If the clocks differ, the later one may be right. Then the snapshot lives longer, so that it is valid by both.
    ///
    /// - Parameter lifetimeS: the lifetime of a snapshot, in seconds.
    func expiresS(after lifetimeS: Int64) -> Int64 {
        let ahead = (usable.max() ?? nowS) - nowS
        let added = ahead > ExportClock.differenceLimitS ? min(ahead, ExportClock.addedLifetimeLimitS) : 0
        return nowS + lifetimeS + added
    }

    /// Returns whether a snapshot was created in the future, by a clock that was ahead.
    static func isAhead(createdS: Int64, nowS: Int64) -> Bool { createdS - differenceLimitS > nowS }
}
