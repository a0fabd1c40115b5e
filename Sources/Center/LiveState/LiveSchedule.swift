/// A part of the live state that is computed at once.
enum LivePart: String, CaseIterable, Sendable {
    /// Zones, gates and their alarms.
    case counts
    /// The event, the centers and the ingestion.
    case ingest
    /// The scanners.
    case fleet
    /// Sparklines, arrivals, refusals and double admissions.
    case flow

    /// Minimum interval between the starts of two computations, in milliseconds.
    var periodMs: Int64 {
        switch self {
        case .counts: 1_000
        case .ingest, .fleet: 2_000
        case .flow: 10_000
        }
    }
}

/// Who wants to know the state.
enum LiveDemand: Sendable {
    /// Neither: nothing is computed.
    case none
    /// Only a program that collects metrics.
    case metrics
    /// Viewers.
    case viewers
}

/// When each part of the live state is computed next. Pure.
///
/// One computation runs at a time. A part that took T begins again after 10 T at the earliest: a tenth of one
/// connection. While a backlog is stored, it begins after 50 T, within five periods.
struct LiveSchedule: Sendable {
    /// Multiple of its duration after which a part begins again.
    static let factor: Int64 = 10
    /// The same while a backlog is stored.
    static let backlogFactor: Int64 = 50
    /// Maximum of the interval in a backlog, in periods of the part.
    static let backlogPeriods: Int64 = 5
    /// Interval of all parts if only metrics are collected, in milliseconds.
    static let metricsMs: Int64 = 10_000
    /// Maximum interval, in milliseconds, also of a part whose statement reaches its time limit.
    static let maximumMs: Int64 = 30_000

    private struct Run {
        var startMs: Int64
        var tookMs: Int64
    }
    private var runs: [LivePart: Run] = [:]

    /// Notes a computation that has ended.
    ///
    /// - Parameters:
    ///   - startMs: its start, in monotonic milliseconds.
    ///   - tookMs: its duration, in milliseconds.
    mutating func finished(_ part: LivePart, startMs: Int64, tookMs: Int64) {
        runs[part] = Run(startMs: startMs, tookMs: tookMs)
    }

    /// Returns the interval from the last start of a part to its next one, in milliseconds.
    func intervalMs(_ part: LivePart, _ demand: LiveDemand, isBacklog: Bool) -> Int64 {
        let tookMs = runs[part]?.tookMs ?? 0
        var interval = max(part.periodMs, LiveSchedule.factor * tookMs)
        if isBacklog {
            let share = LiveSchedule.backlogFactor * tookMs
            interval = max(interval, min(share, LiveSchedule.backlogPeriods * part.periodMs))
        }
        if demand == .metrics { interval = max(interval, LiveSchedule.metricsMs) }
        return min(interval, LiveSchedule.maximumMs)
    }

    /// Returns the intervals of all parts, in milliseconds.
    func intervals(_ demand: LiveDemand, isBacklog: Bool) -> [LivePart: Int64] {
        Dictionary(
            uniqueKeysWithValues: LivePart.allCases.map { ($0, intervalMs($0, demand, isBacklog: isBacklog)) })
    }

    /// Returns the part to compute next and when, in monotonic milliseconds; `nil` without demand.
    func next(nowMs: Int64, _ demand: LiveDemand, isBacklog: Bool) -> (part: LivePart, atMs: Int64)? {
        guard demand != .none else { return nil }
        return LivePart.allCases.map { part in
            let due = runs[part].map { $0.startMs + intervalMs(part, demand, isBacklog: isBacklog) } ?? nowMs
            return (part, max(due, nowMs))
        }.min { $0.1 < $1.1 }
    }
}
