import Snapshots

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

    /// A full file that was refused is not fetched again from there for this long, twice as long each time ...
    static let firstHoldMs: Int64 = 60_000
    /// ... but no longer than this: what is wrong at the center is wrong for the whole fleet.
    static let longestHoldMs: Int64 = 900_000

    /// A file by its SHA-256, at one of the sources; nil: at all of them.
    private struct Place: Hashable, Sendable {
        var sha256: String
        var source: Int?
    }

    private struct Hold: Sendable {
        var untilMs: Int64
        var lengthMs: Int64
        var reason: String
    }

    let intervalMs: Int
    /// The file in force is not as it was installed; until it was mended.
    private(set) var isDamaged = false
    /// Deltas that were of no use, and are not fetched again.
    private var spent: Set<Place> = []
    /// Full files that were refused.
    private var held: [Place: Hold] = [:]
    /// When something large may be fetched; drawn once, and kept until something was installed, or a fleet that gets a new
    /// version every minute would wait for ever.
    private var turnMs: Int64?
    private var lastReadMs: Int64?

    init(intervalMs: Int) { self.intervalMs = intervalMs }

    /// A delta where there is one from the version in force, which is whole, and it is the smaller way.
    func form(of manifest: Manifest, from version: Int64?, at source: Int) -> Form {
        let whole = manifest.compressed?.size ?? manifest.size
        let delta = manifest.deltas?.first { $0.from == version }
        guard let delta, !isDamaged, delta.size < whole, delta.size <= Manifest.maxDeltaBytes,
            !spent.contains(Place(sha256: delta.sha256, source: source)),
            !spent.contains(Place(sha256: delta.sha256, source: nil))
        else { return .full }
        return .delta(delta)
    }

    /// Milliseconds until so many bytes may be fetched; 0: now.
    ///
    /// - Parameters:
    ///   - isUrgent: there is no snapshot in force that has not expired. One that is damaged is always urgent.
    mutating func waitMs(
        forBytes bytes: Int64, isUrgent: Bool, nowMs: Int64, using random: inout some RandomNumberGenerator
    ) -> Int64 {
        let spreadMs = bytes / DownloadPlan.bytesPerMs
        let windowMs =
            isUrgent || isDamaged
            ? min(spreadMs, DownloadPlan.longestUrgentWaitMs)
            : min(spreadMs - Int64(intervalMs), DownloadPlan.longestWaitMs)
        guard windowMs > 0 else { return 0 }
        // One that becomes urgent while it waits, waits no longer than the urgent.
        let turn = min(turnMs ?? nowMs + Int64.random(in: 0...windowMs, using: &random), nowMs + windowMs)
        turnMs = turn
        return max(0, turn - nowMs)
    }

    /// A delta that is of no use: one that did not come whole from this source, or, with nil, one that did not lead to the
    /// content of its manifest.
    mutating func spend(_ delta: Manifest.Delta, at source: Int?) {
        spent.insert(Place(sha256: delta.sha256, source: source))
    }

    /// A full file that was refused, although all of it had come from this source.
    mutating func hold(_ sha256: String, at source: Int, _ reason: String, nowMs: Int64) {
        let place = Place(sha256: sha256, source: source)
        let lengthMs = held[place].map { min($0.lengthMs * 2, DownloadPlan.longestHoldMs) } ?? DownloadPlan.firstHoldMs
        held[place] = Hold(untilMs: nowMs + lengthMs, lengthMs: lengthMs, reason: reason)
    }

    /// Why a full file is not to be fetched from this source now; nil: it may be.
    func reasonToHold(_ sha256: String, at source: Int, nowMs: Int64) -> String? {
        held[Place(sha256: sha256, source: source)].flatMap { nowMs < $0.untilMs ? $0.reason : nil }
    }

    /// Something was installed, or no source at all has anything newer: what comes next is another matter.
    mutating func settle() {
        turnMs = nil
        spent = []
        held = [:]
    }

    /// Whether the file in force is to be read for damage now, which costs reading all of it: at the start, and then seldom,
    /// but at each look while it is damaged.
    func isReadDue(isGateElsewhere: Bool, nowMs: Int64) -> Bool {
        let everyMs = isGateElsewhere ? DownloadPlan.readAgainMs : DownloadPlan.readEveryMs
        return isDamaged || lastReadMs.map { nowMs - $0 >= everyMs } ?? true
    }

    /// The file in force was read.
    mutating func read(isWhole: Bool, nowMs: Int64) {
        (isDamaged, lastReadMs) = (!isWhole, nowMs)
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
