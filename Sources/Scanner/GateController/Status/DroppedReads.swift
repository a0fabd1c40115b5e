import ScanModel

/// Counts the reads that the readers of a lane dropped, and limits their log lines. A pure value.
struct DroppedReads {
    /// Minimum interval between two log lines, in milliseconds.
    static let logMs: Int64 = 60_000

    /// Number of dropped reads since the start.
    private(set) var count: Int64 = 0
    /// Why the last one was dropped; `nil` without one.
    private(set) var last: DroppedRead?
    private var unlogged: Int64 = 0
    /// Monotonic clock; `nil` before the first log line.
    private var loggedMs: Int64?

    /// Counts dropped reads.
    ///
    /// - Parameter nowMs: monotonic clock.
    /// - Returns: the number of dropped reads to log now; `nil` while the last log line is too recent.
    mutating func note(_ reason: DroppedRead, count: Int, nowMs: Int64) -> Int64? {
        self.count += Int64(count)
        last = reason
        unlogged += Int64(count)
        if let loggedMs, nowMs - loggedMs < DroppedReads.logMs { return nil }
        loggedMs = nowMs
        defer { unlogged = 0 }
        return unlogged
    }
}
