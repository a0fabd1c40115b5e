import ScanBatchCodec
import ScanModel

/// Places the scans of a batch in time, where the device did not trust its clock (contract.md section 4).
///
/// A flagged scan is placed at the latest time at which its tap can have been: the receipt, less the `elapsed` of the
/// batch, or the next scan under a trusted clock. The snapshot's creation and the earlier scans bound it from below.
/// Pure.
enum ScanPlacement {
    /// Returns whether a scan of the batch was made under an untrusted clock.
    static func isNeeded(_ batch: ScanBatch) -> Bool {
        let doubt = Flags.clockNotTrusted.rawValue
        return batch.flags.contains { $0 & doubt != 0 }
    }

    /// Returns the time of each scan, in microseconds since 1970-01-01 UTC.
    ///
    /// - Parameters:
    ///   - batch: the whole batch, whichever of its scans are new.
    ///   - receivedMicros: the receipt, by the center's clock. No time is later.
    ///   - createdMicros: when the snapshot of the batch was created; `nil` if it is not known.
    /// - Returns: `nil` if no scan is flagged.
    static func times(of batch: ScanBatch, receivedMicros: Int64, createdMicros: Int64?) -> [Int64]? {
        guard isNeeded(batch) else { return nil }
        var times = batch.atMs.indices.map { min(batch.time($0), receivedMicros) }
        var following = receivedMicros
        for index in times.indices.reversed() {
            if batch.isFlagged(index) {
                let elapsed = Int64(max(0, batch.elapsedMs?[index] ?? 0)) * 1_000
                times[index] = min(receivedMicros - elapsed, following)
            } else {
                following = min(following, times[index])
            }
        }
        var previous = createdMicros ?? .min
        for index in times.indices {
            if batch.isFlagged(index) {
                times[index] = min(max(times[index], previous), receivedMicros)
            }
            previous = max(previous, times[index])
        }
        return times
    }
}

extension ScanBatch {
    fileprivate func isFlagged(_ index: Int) -> Bool { flags[index] & Flags.clockNotTrusted.rawValue != 0 }
}
