/// Limits repeated log lines of one kind: each key at most once an hour. Pure.
struct RepeatedReports: Sendable {
    /// Minimum interval between two reports of one key, in milliseconds.
    static let intervalMs: Int64 = 3_600_000
    /// Maximum number of remembered keys, because a publisher chooses its routing keys.
    static let keysLimit = 1_000

    private var reportedMs: [String: Int64] = [:]

    /// Returns whether a key is to be reported now, and records it as reported.
    ///
    /// Beyond `keysLimit` keys within an interval, none is reported.
    ///
    /// - Parameters:
    ///   - key: what is reported.
    ///   - nowMs: monotonic clock, in milliseconds.
    mutating func isDue(_ key: String, nowMs: Int64) -> Bool {
        if let last = reportedMs[key], nowMs - last < RepeatedReports.intervalMs { return false }
        if reportedMs.count >= RepeatedReports.keysLimit {
            reportedMs = reportedMs.filter { nowMs - $0.value < RepeatedReports.intervalMs }
            guard reportedMs.count < RepeatedReports.keysLimit else { return false }
        }
        reportedMs[key] = nowMs
        return true
    }
}
