/// What one scanner may take from the center, so that a single credential cannot cost all others.
///
/// Nothing is lost at a limit of journals: the batches are quarantined, and a replay stores them.
package struct ScannerLimits: Sendable {
    /// A bucket: a number at once, and a number that each hour adds.
    package struct Rate: Sendable {
        /// Maximum number after a long pause.
        package var atOnce: Int64
        /// Number that is added in an hour.
        package var perHour: Int64

        /// Creates a rate from its two numbers.
        package init(atOnce: Int64, perHour: Int64) {
            self.atOnce = atOnce
            self.perHour = perHour
        }
    }

    /// New journals of one scanner; `nil` does not limit them.
    ///
    /// A scanner begins a journal at each start and each day. A partition of the scans has 2,000 journals.
    package var newJournals: Rate? = Rate(atOnce: 500, perHour: 60)
    /// Maximum size of the quarantined bodies and details of one owner, in bytes. Above it, the oldest bodies are
    /// dropped.
    package var quarantineBytes: Int64 = 64 << 20
    /// Maximum number of quarantined batches of one owner. Above it, the oldest rows are dropped.
    package var quarantineBatches: Int64 = 200_000

    /// The limits of deliveries from the broker.
    package init() {}

    /// The limits of what an operator stores: files, and replays of the quarantine.
    package static let ofOperator: ScannerLimits = {
        var limits = ScannerLimits()
        limits.newJournals = nil
        return limits
    }()
}
