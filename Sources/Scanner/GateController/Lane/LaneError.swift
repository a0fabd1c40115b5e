package import AccessControl
package import ErrorModel
package import ScanModel

/// An error of a lane.
package enum LaneError: OperationError {
    /// Number of taps that could not be journaled.
    case tapsNotJournaled(Int)
    /// Number of lines of an ended input that were no taps, and of all lines.
    case linesNotTaps(Int, of: Int)
    /// The installed snapshot was made with another event key. The texts are `EventKey.fingerprint`.
    case keyDiffers(given: String, snapshot: String, version: Int64)
    /// The snapshot of this version does not have the configured gate. `near` are the names that resemble it.
    case gateUnknown(String, near: [String], version: Int64)
    /// The snapshot of this version gives the scanner no gate. `nearScanners` are the scanners that resemble it, and
    /// `gates` the gates that can be meant.
    case noOwnGate(ScannerID, NoGateReason, nearScanners: [String], gates: [String], version: Int64)

    /// `configuration` for a key that is not the event's, and for a gate that is missing. A tap that is not journaled is a
    /// failure of the disk.
    package var category: ErrorCategory {
        switch self {
        case .tapsNotJournaled, .linesNotTaps: .failure
        case .keyDiffers, .gateUnknown, .noOwnGate: .configuration
        }
    }

    /// The number of taps, both keys and what to do, or the gate and the names that can be meant.
    package var description: String {
        switch self {
        case .tapsNotJournaled(let count): "\(count) taps could not be journaled"
        case .linesNotTaps(let count, let all):
            "\(count) of \(all) lines of the input were no taps, and no verdict was given for them: see the log for the "
                + "first one; a line is a UID in hex, then in or out, then a time, with commas"
        case .keyDiffers(let given, let snapshot, let version):
            "the event key has fingerprint \(given), but the installed snapshot \(version) was made with the key of "
                + "fingerprint \(snapshot), so every tag would be unknown: use the event key file of the center"
        case .gateUnknown(let name, let near, let version):
            "the installed snapshot \(version) has no gate named '\(name)'"
                + LaneError.list("similar", near)
        case .noOwnGate(let scanner, let reason, let nearScanners, let gates, let version):
            "the installed snapshot \(version) has no gate for scanner \(scanner.text): \(reason)"
                + LaneError.list("similar scanners", nearScanners) + LaneError.list("gates", gates)
        }
    }

    /// The end of a message: at most five names.
    private static func list(_ title: String, _ names: [String]) -> String {
        guard !names.isEmpty else { return "" }
        return "; \(title): " + names.prefix(5).map { "'\($0)'" }.joined(separator: ", ")
            + (names.count > 5 ? ", ..." : "")
    }
}
