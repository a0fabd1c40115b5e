package import ErrorModel

/// Why a simulated fleet cannot start.
package enum FleetError: OperationError, Equatable {
    /// The prefix and the number of a scanner make no valid scanner ID.
    case invalidPrefix(String, scanner: String)
    /// The process may not open enough files for the scanners.
    case openFileLimit(scanners: Int, needed: Int)
    /// The snapshot that supplies the tags cannot be read, or has no attendees.
    case unusableSnapshot(String)
    /// A header or line of a trace is invalid; `line` counts from 1.
    case invalidTrace(path: String, line: Int, detail: String)
    /// A trace has UIDs, and no event key is set.
    case eventKeyMissing(path: String)
    /// The snapshot was made with another event key. The texts are `EventKey.fingerprint`.
    case keyDiffers(given: String, snapshot: String)

    /// Always `.configuration`: other settings or another file correct each of these errors.
    package var category: ErrorCategory { .configuration }

    /// The message for the user of the simulation.
    package var description: String {
        switch self {
        case .invalidPrefix(let prefix, let scanner):
            "the prefix '\(prefix)' is invalid: '\(scanner)' is not a scanner ID"
        case .openFileLimit(let scanners, let needed):
            "\(scanners) scanners need \(needed) open files: raise the limit (ulimit -n)"
        case .unusableSnapshot(let detail): "cannot draw taps from the snapshot: \(detail)"
        case .invalidTrace(let path, let line, let detail): "\(path), line \(line): \(detail)"
        case .eventKeyMissing(let path): "\(path): the column 'uid' requires the event key"
        case .keyDiffers(let given, let snapshot):
            "the key has fingerprint \(given), but the snapshot was made with the key of fingerprint \(snapshot)"
        }
    }
}
