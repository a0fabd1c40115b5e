internal import Runtime
public import Scans

/// What a simulated fleet is, and what it does.
public struct FleetSettings: Sendable {
    /// Where tags come from.
    public enum Source: Sendable {
        /// Made-up attendees, all of them admitted: journals name neither gate nor snapshot.
        case synthetic(attendees: Int)
        /// The tags, passes and gates of a snapshot file.
        case snapshot(path: String)
        /// A CSV file, see `FleetTrace`.
        case trace(path: String, key: EventKey?)
    }

    public var scanners: Int
    /// Over all scanners together; nil: as many as the trace has.
    public var scans: Int?
    public var source: Source
    /// Brokers, tried in turn.
    public var urls: [String]
    public var seed: UInt64 = 1
    /// Scans a second over all scanners; nil: the journals are filled first, at full speed, and then published.
    public var rate: Int?
    public var prefix = "fleet"
    /// The data folders' parent; nil: a temporary one, removed at the end.
    public var folder: String?
    /// Once the journals are filled: says "filled" on standard output and waits for a line on standard input.
    public var isHeld = false
    /// Scans in a batch at the most.
    public var batchScans = 500
    /// How long everything may take to be confirmed once all is tapped.
    public var timeoutS = 600

    public init(scanners: Int, scans: Int?, source: Source, urls: [String]) {
        (self.scanners, self.scans, self.source, self.urls) = (scanners, scans, source, urls)
    }

    /// Most virtual scanners in one process: two threads' worth of memory and about eight descriptors each.
    public static let scannersLimit = 2_000

    /// `fleet-0001` is number 0. Throws `ProgramError` (configuration) for a prefix that makes no identity.
    public func scanner(_ number: Int) throws -> ScannerID {
        let digits = String(number + 1)
        let text = "\(prefix)-" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        guard let id = ScannerID(text) else {
            throw ProgramError.configuration("--prefix \(prefix): '\(text)' is not a scanner's identity")
        }
        return id
    }
}

/// What a run of the fleet came to.
public struct FleetSummary: Codable, Sendable, Equatable {
    public var scanners: Int
    /// Scans tapped.
    public var scans: Int
    /// ... of which the gates admitted.
    public var admitted: Int
    /// Scans confirmed by the broker, those left by an earlier run in the same folders included.
    public var confirmed: Int
    /// When publishing began, milliseconds since 1970.
    public var startedMs: Int64
    /// From the first connection to the last confirm.
    public var seconds: Double
    /// `confirmed / seconds`.
    public var rate: Int
    /// Filling the journals beforehand; 0 with a rate.
    public var fillSeconds: Double
    public var batches: Int
    /// Of the bodies.
    public var bytes: Int
    public var connects: Int
    public var heartbeats: Int
    public var seed: UInt64
    /// Everything was confirmed.
    public var complete: Bool
}
