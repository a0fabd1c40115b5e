internal import Snapshots

/// In which form a scanner fetches a snapshot, and when, so that a fleet does not meet at the center. Pure: facts come in as
/// arguments.
///
/// Looks are spread over the interval anyway, so what the center can serve to all within one is fetched at once: a revoked
/// band is known everywhere within a minute. For anything larger each scanner waits for a turn of its own.
struct DownloadPlan: Sendable {
    enum Form: Equatable {
        case delta(Manifest.Delta)
        case full
    }

    /// What a scanner of the fleet may count on while all fetch at once: 20 kB/s, a sixth of a gigabit for a thousand.
    static let bytesPerMs: Int64 = 20
    /// Longest wait for a turn: a scanner that has an older list serves with it so much longer at the most.
    static let longestWaitMs: Int64 = 900_000
    /// ... and one that has none, or none that is good.
    static let longestUrgentWaitMs: Int64 = 10_000
    /// A scanner without a snapshot asks for one this soon after its start, at the latest.
    static let firstLookMs = 2_000
    /// The file in force is read for damage this often ...
    static let readEveryMs: Int64 = 3_600_000
    /// ... and while the gate decides from another version: it could not open this one.
    static let readAgainMs: Int64 = 60_000

    let intervalMs: Int
    /// By SHA-256: deltas that were of no use, and are not fetched again.
    private var spent: Set<String> = []
    /// When something large may be fetched; drawn once, and kept until something was installed, or a fleet that gets a new
    /// version every minute would wait for ever.
    private var turnMs: Int64?
    private var lastReadMs: Int64?

    init(intervalMs: Int) { self.intervalMs = intervalMs }

    /// A delta where there is one from the version in force and it is the smaller way.
    func form(of manifest: Manifest, from version: Int64?) -> Form {
        let whole = manifest.compressed?.size ?? manifest.size
        let delta = manifest.deltas?.first { $0.from == version && !spent.contains($0.sha256) }
        guard let delta, delta.size < whole, delta.size <= SnapshotStore.maxDeltaBytes else { return .full }
        return .delta(delta)
    }

    /// Milliseconds until so many bytes may be fetched; 0: now.
    ///
    /// - Parameters:
    ///   - isUrgent: there is no snapshot in force that is whole and has not expired.
    mutating func waitMs(
        forBytes bytes: Int64, isUrgent: Bool, nowMs: Int64, using random: inout some RandomNumberGenerator
    ) -> Int64 {
        let spreadMs = bytes / DownloadPlan.bytesPerMs
        let windowMs =
            isUrgent
            ? min(spreadMs, DownloadPlan.longestUrgentWaitMs)
            : min(spreadMs - Int64(intervalMs), DownloadPlan.longestWaitMs)
        guard windowMs > 0 else { return 0 }
        // One that becomes urgent while it waits, waits no longer than the urgent.
        let turn = min(turnMs ?? nowMs + Int64.random(in: 0...windowMs, using: &random), nowMs + windowMs)
        turnMs = turn
        return max(0, turn - nowMs)
    }

    /// A delta that did not lead to the content of its manifest: the full file is next.
    mutating func spend(_ delta: Manifest.Delta) { spent.insert(delta.sha256) }

    /// The newest is in force: what comes next is another matter.
    mutating func settle() {
        turnMs = nil
        spent = []
    }

    /// Whether the file in force is to be read for damage now, which costs reading all of it: at the start, and then seldom.
    mutating func readsFile(isGateElsewhere: Bool, nowMs: Int64) -> Bool {
        let everyMs = isGateElsewhere ? DownloadPlan.readAgainMs : DownloadPlan.readEveryMs
        guard lastReadMs.map({ nowMs - $0 >= everyMs }) ?? true else { return false }
        lastReadMs = nowMs
        return true
    }

    // MARK: Looks

    /// The wait before the first look after the start: after a power cut all scanners start in the same second.
    static func firstLookMs(
        hasSnapshot: Bool, intervalMs: Int, using random: inout some RandomNumberGenerator
    ) -> Int {
        Int.random(in: 0...(hasSnapshot ? intervalMs : min(intervalMs, firstLookMs)), using: &random)
    }

    /// The wait between two looks: the interval, give or take a fifth.
    func pauseMs(using random: inout some RandomNumberGenerator) -> Int {
        Int.random(in: intervalMs * 4 / 5...intervalMs * 6 / 5, using: &random)
    }
}
