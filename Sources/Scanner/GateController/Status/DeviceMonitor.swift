import DataFolder
import FileSystem
package import Runtime
import ScanJournal
package import ScanModel
import Synchronization

/// What a lane wants to know of its device but may not wait for: how full the disk is, and what has been shipped. Looked at on
/// a thread of its own.
package final class DeviceMonitor: Sendable {
    /// Between two looks.
    package static let intervalMs = 2_000

    private let folder: String
    private let slot = Mutex<DeviceStatus?>(nil)
    private let log = Log("device")

    package init(folder: String) { self.folder = folder }

    /// The newest facts since the last call; nil when nothing has changed, or just now is not the moment.
    package func take() -> DeviceStatus? {
        let taken: DeviceStatus?? = slot.withLockIfAvailable { slot in
            defer { slot = nil }
            return slot
        }
        return taken ?? nil
    }

    /// The watching loop, as a service of the daemon.
    package func service() -> Service {
        .thread("device-watch") { stop in
            var seen: DeviceStatus?
            repeat {
                var facts = DeviceStatus()
                facts.diskUsedPercent = Files.usedPercent(self.folder)
                facts.damaged = Journal.damagedFiles(folder: self.folder)
                do { facts.shipped = try UploadCursors.read(folder: self.folder) } catch {
                    // The publisher will set it aside; until then what was seen last is the best there is.
                    self.log.warning("what was shipped cannot be read", [.error: "\(error)"])
                    facts.shipped = seen?.shipped ?? [:]
                }
                if facts != seen {
                    seen = facts
                    self.slot.withLock { $0 = facts }
                }
            } while !stop.wait(ms: DeviceMonitor.intervalMs)
        }
    }
}

/// What was seen last.
package struct DeviceStatus: Hashable, Sendable {
    /// Of the disk with the data folder, in percent; nil when it cannot be asked.
    package var diskUsedPercent: Int?
    package var shipped: [JournalID: Int64] = [:]
    /// Damaged journals that were set aside, by file name.
    package var damaged: [String] = []
    package init() {}
}
