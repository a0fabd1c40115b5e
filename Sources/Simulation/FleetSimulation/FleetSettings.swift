import CLI
package import ScanModel

/// What a simulated fleet is, and what it does.
package struct FleetSettings: Sendable {
    /// Where tags come from.
    package enum Source: Sendable {
        /// Made-up attendees, all of them admitted: journals name neither gate nor snapshot.
        case synthetic(attendees: Int)
        /// The tags, passes and gates of a snapshot file.
        case snapshot(path: String)
        /// A CSV file, see `FleetTrace`.
        case trace(path: String, key: EventKey?)
    }

    package var scanners: Int
    /// Over all scanners together; nil: as many as the trace has.
    package var scans: Int?
    package var source: Source
    /// Brokers, tried in turn.
    package var urls: [String]
    package var seed: UInt64 = 1
    /// Scans a second over all scanners; nil: the journals are filled first, at full speed, and then published.
    package var rate: Int?
    package var prefix = "fleet"
    /// The data folders' parent; nil: a temporary one, removed at the end.
    package var folder: String?
    /// Once the journals are filled: says "filled" on standard output and waits for a line on standard input.
    package var isHeld = false
    /// Scans in a batch at the most.
    package var batchScans = 500
    /// How long everything may take to be confirmed once all is tapped.
    package var timeoutS = 600

    package init(scanners: Int, scans: Int?, source: Source, urls: [String]) {
        (self.scanners, self.scans, self.source, self.urls) = (scanners, scans, source, urls)
    }

    /// Most virtual scanners in one process: two threads' worth of memory and about eight descriptors each.
    package static let scannersLimit = 2_000

    /// `fleet-0001` is number 0. Throws `ProgramError` (configuration) for a prefix that makes no identity.
    package func scanner(_ number: Int) throws -> ScannerID {
        let digits = String(number + 1)
        let text = "\(prefix)-" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        guard let id = ScannerID(text) else {
            throw ProgramError.configuration("--prefix \(prefix): '\(text)' is not a scanner's identity")
        }
        return id
    }
}

/// What a run of the fleet came to.
package struct FleetSummary: Codable, Sendable, Equatable {
    package var scanners: Int
    /// Scans tapped.
    package var scans: Int
    /// ... of which the gates admitted.
    package var admitted: Int
    /// Scans confirmed by the broker, those left by an earlier run in the same folders included.
    package var confirmed: Int
    /// When publishing began, milliseconds since 1970.
    package var startedMs: Int64
    /// From the first connection to the last confirm.
    package var seconds: Double
    /// `confirmed / seconds`.
    package var rate: Int
    /// Filling the journals beforehand; 0 with a rate.
    package var fillSeconds: Double
    package var batches: Int
    /// Of the bodies.
    package var bytes: Int
    package var connects: Int
    package var heartbeats: Int
    package var seed: UInt64
    /// Everything was confirmed.
    package var complete: Bool
}
