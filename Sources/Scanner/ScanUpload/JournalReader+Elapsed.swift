import LinuxSystem
import ScanJournal
import ScanModel

extension JournalReader {
    /// Returns the time from each scan to now by the monotonic clock, in milliseconds: the key `elapsed` of a batch.
    ///
    /// - Parameters:
    ///   - id: The number of the journal.
    ///   - scans: Scans of the journal.
    ///   - monotonicMs: The present time of the monotonic clock.
    ///   - boot: The present boot; `nil` if it is not known.
    /// - Returns: One value per scan, negative where the time is not known. `nil` if none is known, as in every batch
    ///   without an untrusted clock.
    /// - Throws: `DataFileError`.
    func elapsedMs(
        journal id: Int64, _ scans: ArraySlice<Scan>, monotonicMs: Int64 = SystemClock.monotonicMs(),
        boot: BootID? = BootID.current
    ) throws -> [Int32]? {
        guard let first = scans.first?.seq, let last = scans.last?.seq, let boot,
            scans.contains(where: { $0.flags.contains(.clockNotTrusted) })
        else { return nil }
        let times = try monotonicTimes(journal: id, first...last, boot: boot)
        guard !times.isEmpty else { return nil }
        return scans.map { scan in
            guard let ms = times[scan.seq], ms >= 0, ms <= monotonicMs else { return -1 }
            return Int32(exactly: monotonicMs - ms) ?? -1
        }
    }
}
