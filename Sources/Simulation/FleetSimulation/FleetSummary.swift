import DataFolder
import Runtime

/// The result of a run, printed as JSON.
package struct FleetSummary: Codable, Sendable, Equatable {
    /// Number of virtual scanners.
    package var scanners: Int
    /// Tapped scans.
    package var scans = 0
    /// Tapped scans with the verdict `admitted`.
    package var admitted = 0
    /// Scans that the broker confirmed, including those of an earlier run in the same folders.
    package var confirmed = 0
    /// Start of publishing, in milliseconds since 1970.
    package var startedMs: Int64 = 0
    /// Time from the first connection to the last confirm.
    package var seconds = 0.0
    /// `confirmed / seconds`.
    package var rate = 0
    /// Time to fill the journals before publishing; 0 for a run with a rate.
    package var fillSeconds = 0.0
    /// Number of batches that were published, repeated ones included.
    package var batches = 0
    /// Sum of the message bodies.
    package var bytes = 0
    /// Number of connections that were opened.
    package var connects = 0
    /// Number of scanner heartbeats that were published.
    package var heartbeats = 0
    /// Seed of the random numbers of the run.
    package var seed: UInt64
    /// Whether every scan was confirmed.
    package var complete = false

    init(scanners: Int, seed: UInt64) {
        self.scanners = scanners
        self.seed = seed
    }

    /// Adds the counters of all writers and publishers. `seconds` must be set.
    mutating func add(_ progress: FleetWriter.Progress, _ statuses: [PublisherStatus]) {
        scans = progress.scans.value
        admitted = progress.admitted.value
        for status in statuses {
            confirmed += status.confirmedScans.value
            batches += status.publishedBatches.value
            bytes += status.publishedBytes.value
            connects += status.connects.value
            heartbeats += status.heartbeats.value
        }
        rate = Int(Double(confirmed) / seconds)
    }
}
