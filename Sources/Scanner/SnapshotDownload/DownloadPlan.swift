import Snapshots

/// Decides in which form a scanner downloads a snapshot, and when. Pure: facts come in as arguments.
///
/// Checks are spread over the interval. Files small enough for the whole fleet within one interval are downloaded
/// immediately. So a revocation reaches every online gate within a minute. For larger files each scanner waits for a
/// random turn, so that a fleet does not overload the center.
struct DownloadPlan: Sendable {
    enum Form: Equatable {
        case delta(Manifest.Delta)
        case full
    }

    /// A scanner's share of the bandwidth while the whole fleet downloads: 20 kB/s, a sixth of a gigabit for a
    /// thousand.
    static let bytesPerMs: Int64 = 20
    /// Maximum wait for a turn, in milliseconds. It bounds how long a scanner decides from an older snapshot.
    static let longestWaitMs: Int64 = 900_000
    /// Maximum wait of a scanner without a usable snapshot, in milliseconds.
    static let longestUrgentWaitMs: Int64 = 10_000
    /// Maximum delay of the first check of a scanner without a snapshot, in milliseconds.
    static let firstCheckMs = 2_000
    /// Interval of the damage check of the current file, in milliseconds.
    static let fileCheckMs: Int64 = 3_600_000
    /// Interval of the damage check while the gate decides from another version, because it could not open the current
    /// one.
    static let urgentFileCheckMs: Int64 = 60_000

    /// First hold of a full file that was refused, in milliseconds. Each further hold is twice as long.
    static let firstHoldMs: Int64 = 60_000
    /// Maximum hold, in milliseconds. A fault of the center affects the whole fleet.
    static let longestHoldMs: Int64 = 900_000

    /// A file by its SHA-256 at one source; `nil` for all sources.
    private struct FileAtSource: Hashable, Sendable {
        var sha256: String
        var source: Int?
    }

    private struct Hold: Sendable {
        var untilMs: Int64
        var lengthMs: Int64
        var reason: String
    }

    let intervalMs: Int
    /// Whether the current file is not as it was installed.
    private(set) var isDamaged = false
    /// Deltas that could not be used.
    private var excluded: Set<FileAtSource> = []
    /// Full files that were refused.
    private var held: [FileAtSource: Hold] = [:]
    /// The time from which large files may be downloaded. Drawn once and kept until an installation; otherwise a fleet
    /// that gets a new version every minute would wait forever.
    private var turnMs: Int64?
    private var lastFileCheckMs: Int64?

    init(intervalMs: Int) { self.intervalMs = intervalMs }

    /// Chooses the form: a delta from the current version if that is intact and the delta is smaller than the full
    /// file.
    ///
    /// - Parameters:
    ///   - version: the current version; `nil` without one.
    ///   - source: index of the source.
    func form(of manifest: Manifest, from version: Int64?, at source: Int) -> Form {
        let whole = manifest.compressed?.size ?? manifest.size
        let delta = manifest.deltas?.first { $0.from == version }
        guard let delta, !isDamaged, delta.size < whole, delta.size <= Manifest.maxDeltaBytes,
            !excluded.contains(FileAtSource(sha256: delta.sha256, source: source)),
            !excluded.contains(FileAtSource(sha256: delta.sha256, source: nil))
        else { return .full }
        return .delta(delta)
    }

    /// Returns the time until that many bytes may be downloaded, in milliseconds; 0 for now.
    ///
    /// - Parameter isUrgent: whether there is no snapshot that has not expired. A damaged one is always urgent.
    mutating func waitMs(
        forBytes bytes: Int64, isUrgent: Bool, nowMs: Int64, using random: inout some RandomNumberGenerator
    ) -> Int64 {
        let spreadMs = bytes / DownloadPlan.bytesPerMs
        let windowMs =
            isUrgent || isDamaged
            ? min(spreadMs, DownloadPlan.longestUrgentWaitMs)
            : min(spreadMs - Int64(intervalMs), DownloadPlan.longestWaitMs)
        guard windowMs > 0 else { return 0 }
        // Capped by the present window: a download that becomes urgent while it waits must not wait longer than an
        // urgent one.
        let turn = min(turnMs ?? nowMs + Int64.random(in: 0...windowMs, using: &random), nowMs + windowMs)
        turnMs = turn
        return max(0, turn - nowMs)
    }

    /// Excludes a delta from further attempts.
    ///
    /// - Parameter source: the source that sent other bytes than signed; `nil` if the signed bytes do not apply.
    mutating func exclude(_ delta: Manifest.Delta, at source: Int?) {
        excluded.insert(FileAtSource(sha256: delta.sha256, source: source))
    }

    /// Holds back a full file that was refused after all of it came from this source.
    mutating func hold(_ sha256: String, at source: Int, _ reason: String, nowMs: Int64) {
        let file = FileAtSource(sha256: sha256, source: source)
        let lengthMs = held[file].map { min($0.lengthMs * 2, DownloadPlan.longestHoldMs) } ?? DownloadPlan.firstHoldMs
        held[file] = Hold(untilMs: nowMs + lengthMs, lengthMs: lengthMs, reason: reason)
    }

    /// Returns the reason why a full file is held back at this source; `nil` if it is not.
    func holdReason(_ sha256: String, at source: Int, nowMs: Int64) -> String? {
        held[FileAtSource(sha256: sha256, source: source)].flatMap { nowMs < $0.untilMs ? $0.reason : nil }
    }

    /// Forgets turn, exclusions and holds, after an installation or when no source has a newer snapshot.
    mutating func reset() {
        turnMs = nil
        excluded = []
        held = [:]
    }

    /// Returns whether to read the whole current file for damage: at the start, then rarely; at every check while it is
    /// damaged.
    ///
    /// - Parameter isGateElsewhere: whether the gate decides from another version.
    func isFileCheckDue(isGateElsewhere: Bool, nowMs: Int64) -> Bool {
        let everyMs = isGateElsewhere ? DownloadPlan.urgentFileCheckMs : DownloadPlan.fileCheckMs
        return isDamaged || lastFileCheckMs.map { nowMs - $0 >= everyMs } ?? true
    }

    /// Records a damage check of the current file.
    mutating func noteFileCheck(isIntact: Bool, nowMs: Int64) {
        isDamaged = !isIntact
        lastFileCheckMs = nowMs
    }

    // MARK: Checks

    /// Returns the delay of the first check, in milliseconds. It is random, because after a power cut all scanners
    /// start in the same second.
    static func firstCheckMs(
        hasSnapshot: Bool, intervalMs: Int, using random: inout some RandomNumberGenerator
    ) -> Int {
        Int.random(in: 0...(hasSnapshot ? intervalMs : min(intervalMs, firstCheckMs)), using: &random)
    }

    /// Returns the pause between two checks, in milliseconds: the interval, varied by a fifth.
    func pauseMs(using random: inout some RandomNumberGenerator) -> Int {
        Int.random(in: intervalMs * 4 / 5...intervalMs * 6 / 5, using: &random)
    }
}
