import Journal
public import Runtime
public import Scans
import Synchronization

/// What a lane wants to know of its device but may not wait for: how full the disk is, and what has been shipped. Looked at on
/// a thread of its own.
public final class DeviceWatch: Sendable {
    /// What was seen last.
    public struct Facts: Hashable, Sendable {
        /// Of the disk with the data folder, in percent; nil when it cannot be asked.
        public var diskUsedPercent: Int?
        public var shipped: [JournalID: Int64] = [:]
        /// Damaged journals that were set aside, by file name.
        public var damaged: [String] = []
        public init() {}
    }

    /// Between two looks.
    public static let intervalMs = 2_000

    private let folder: String
    private let slot = Mutex<Facts?>(nil)
    private let log = Log("device")

    public init(folder: String) { self.folder = folder }

    /// The newest facts since the last call; nil when nothing has changed, or just now is not the moment.
    public func take() -> Facts? {
        let taken: Facts?? = slot.withLockIfAvailable { slot in
            defer { slot = nil }
            return slot
        }
        return taken ?? nil
    }

    /// The watching loop, as a service of the daemon.
    public func service() -> Service {
        .thread("device-watch") { stop in
            var seen: Facts?
            repeat {
                var facts = Facts()
                facts.diskUsedPercent = Files.usedPercent(self.folder)
                facts.damaged = Journal.damagedFiles(folder: self.folder)
                do { facts.shipped = try Shipped.read(folder: self.folder) } catch {
                    // The publisher will set it aside; until then what was seen last is the best there is.
                    self.log.warning("what was shipped cannot be read", [.error: "\(error)"])
                    facts.shipped = seen?.shipped ?? [:]
                }
                if facts != seen {
                    seen = facts
                    self.slot.withLock { $0 = facts }
                }
            } while !stop.wait(ms: DeviceWatch.intervalMs)
        }
    }
}
