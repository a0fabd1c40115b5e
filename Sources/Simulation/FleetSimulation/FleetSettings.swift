package import AMQP
package import ScanModel
package import ScanUpload

/// The size, the source and the pace of a simulated fleet.
package struct FleetSettings: Sendable {
    /// Where tags come from.
    package enum Source: Sendable {
        /// Invented attendees, all of them admitted. The journals name neither gate nor snapshot.
        case synthetic(attendees: Int)
        /// The tags, passes and gates of a snapshot file. A snapshot that states another `keyFingerprint` is refused.
        case snapshot(path: String, keyFingerprint: String? = nil)
        /// A CSV file, see `FleetTrace`. `key` derives tag IDs from UIDs.
        case trace(path: String, key: EventKey?)
    }

    /// Maximum number of virtual scanners in one process: each needs two threads and about eight descriptors.
    package static let scannersLimit = 2_000

    /// Number of virtual scanners, 1 to `scannersLimit`.
    package var scanners: Int
    /// Number of scans of all scanners together; `nil` for every tap of the trace.
    package var scans: Int?
    /// The origin of the tags.
    package var source: Source
    /// URLs of the brokers, tried in turn.
    package var urls: [String]
    /// URLs for each scanner by number, with the user of that scanner; `nil`: all scanners use `urls`.
    package var ownURLs: [[String]]?
    /// Certificates of the connections to the brokers.
    package var security = AMQPSecurity()
    /// Seed of the random numbers. Equal seeds draw equal taps.
    package var seed: UInt64 = 1
    /// Scans per second of all scanners together; `nil` fills the journals at full speed and publishes afterwards.
    package var rate: Int?
    /// Number of scanners, the first ones, whose clock starts in 1970. Their drawn taps are flagged as under a clock that
    /// is not trusted. Taps of a trace keep their times.
    package var scannersBehind = 0
    /// Prefix of the scanner IDs: `prefix-0001` and so on.
    package var prefix = "fleet"
    /// Parent of the data folders; `nil` for a temporary folder that is removed at the end.
    package var folder: String?
    /// Whether the fleet writes `filled` to standard output before it publishes, and waits for a line of standard
    /// input.
    package var isHeld = false
    /// Maximum number of scans in a batch.
    package var batchScans = 500
    /// Time limit for the last confirm, counted from the last tap, in seconds.
    package var timeoutS = 600

    /// - Parameters:
    ///   - scanners: number of virtual scanners.
    ///   - scans: number of scans of all scanners together; `nil` for every tap of the trace.
    ///   - source: the origin of the tags.
    ///   - urls: URLs of the brokers, tried in turn.
    package init(scanners: Int, scans: Int?, source: Source, urls: [String]) {
        self.scanners = scanners
        self.scans = scans
        self.source = source
        self.urls = urls
    }

    /// The settings of the publisher of a scanner.
    ///
    /// - Parameters:
    ///   - number: number of the scanner.
    ///   - folder: its data folder.
    /// - Throws: `UploadError` for an unusable broker URL; `FleetError.invalidPrefix`.
    package func upload(_ number: Int, folder: String = "") throws -> Upload.Settings {
        try Upload.Settings(
            folder: folder, scanner: scanner(number), urls: ownURLs?[number] ?? urls, security: security)
    }

    /// The ID of a scanner: `fleet-0001` for number 0.
    ///
    /// - Throws: `FleetError.invalidPrefix`.
    package func scanner(_ number: Int) throws -> ScannerID {
        let digits = String(number + 1)
        let text = "\(prefix)-" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        guard let id = ScannerID(text) else { throw FleetError.invalidPrefix(prefix, scanner: text) }
        return id
    }
}
