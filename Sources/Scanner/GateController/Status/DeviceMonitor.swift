import DataFolder
import FileSystem
package import Runtime
package import ScanModel
import Synchronization

/// Reads the device status on its own thread, because the lane must not wait for the disk.
package final class DeviceMonitor: Sendable {
    /// Interval between two readings, in milliseconds.
    package static let intervalMs = 2_000

    private let folder: String
    private let slot = Mutex<DeviceStatus?>(nil)
    private let log = Log("device")

    /// - Parameter folder: the scanner's data folder.
    package init(folder: String) { self.folder = folder }

    /// Returns the latest device status if it has changed since the last call. Never blocks.
    ///
    /// - Returns: `nil` without a change, or while the lock is busy.
    package func latestChange() -> DeviceStatus? {
        let taken: DeviceStatus?? = slot.withLockIfAvailable { slot in
            defer { slot = nil }
            return slot
        }
        return taken ?? nil
    }

    /// The reading loop, as a service of the daemon.
    package func service() -> Service {
        .thread("device-monitor") { stop in
            var last: DeviceStatus?
            repeat {
                var status = DeviceStatus()
                status.diskUsedPercent = Files.usedPercent(self.folder)
                status.damaged = DataFolderPaths.damagedJournals(self.folder)
                do { status.uploaded = try UploadCursors.read(folder: self.folder) } catch {
                    // The publisher will replace the damaged file. The last known cursors are the best value until
                    // then.
                    self.log.warning("upload cursors cannot be read", [.error: "\(error)"])
                    status.uploaded = last?.uploaded ?? [:]
                }
                if status != last {
                    last = status
                    self.slot.withLock { $0 = status }
                }
            } while !stop.wait(ms: DeviceMonitor.intervalMs)
        }
    }
}

/// The state of the device, apart from its readers and turnstile.
package struct DeviceStatus: Hashable, Sendable {
    /// Use of the disk with the data folder, in percent; `nil` if it is not known.
    package var diskUsedPercent: Int?
    /// The last seq of each journal that the broker has confirmed.
    package var uploaded: [JournalID: Int64] = [:]
    /// File names of the quarantined journals.
    package var damaged: [String] = []

    /// Creates a status in which nothing is known.
    package init() {}
}
