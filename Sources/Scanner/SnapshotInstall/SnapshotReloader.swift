import FileSystem
import LinuxSystem
package import Runtime
import ScanModel
package import Snapshots
import Synchronization

/// Sees when another snapshot comes into force, opens and probes it on a thread of its own, and hands it to the lane
/// between two taps. Nothing that a tap could wait for: `take` looks, and never waits.
package final class SnapshotReloader: Sendable {
    /// Twice a second: a switch is felt within the time of a tap or two, and the look is one stat(2).
    package static let intervalMs = 500
    /// How long a file that could not be opened is left alone.
    package static let retryMs: Int64 = 10_000
    /// How long one is left alone that was read whole and found bad: that costs the device a second or two.
    static let wholeRetryMs: Int64 = 60_000

    // Held by the watching thread while it opens a file; the lane only ever tries it.
    private let slot = Mutex<Snapshot?>(nil)
    private struct Seen {
        var mark: Files.Status?
        /// Monotonic milliseconds; set after a file could not be opened, for want of descriptors perhaps.
        var retryAtMs: Int64?
        /// The file in force could not be read in use: the next time all of it must be good.
        var mustBeWhole = false
        var distrusted: (version: Int64, atMs: Int64)?
    }
    private let seen = Mutex(Seen())
    // Told by the lane: the version whose rows it could not read.
    private let doubted = Mutex<Int64?>(nil)
    private let isOlder = Atomic(false)
    private let isReady = Atomic(false)
    // Put down by the lane, closed by the watching thread.
    private let retired = Mutex<[Retired]>([])
    /// A snapshot that the lane has let go: from then on it is the watching thread's alone.
    private struct Retired: @unchecked Sendable { let snapshot: Snapshot }
    private let store: SnapshotStore
    private let log = Log("snapshots")

    package init(_ store: SnapshotStore) { self.store = store }

    /// The newest snapshot since the last call; nil when there is no other. The first call after `check` gives the one in
    /// force.
    package func take() -> Snapshot? {
        guard isReady.load(ordering: .acquiring) else { return nil }
        let taken: Snapshot?? = slot.withLockIfAvailable { slot in
            isReady.store(false, ordering: .relaxed)
            let snapshot = slot
            slot = nil
            return snapshot
        }
        return taken ?? nil
    }

    /// Takes over a snapshot that is no longer in force, so that closing it costs no tap anything: its file may be gone, and
    /// then its last close frees hundreds of megabytes. The caller uses it no more, and neither does anybody else.
    package func retire(_ snapshot: Snapshot) {
        let old = Retired(snapshot: snapshot)
        retired.withLock { $0.append(old) }
    }

    /// From the lane: a tag could not be looked up in this snapshot. The watching thread reads the files whole, and hands over
    /// the best that is good: the one in force opened anew, or the one before it.
    package func distrust(_ version: Int64) { doubted.withLock { $0 = version } }

    /// Whether the snapshot that was handed over last, if any was, is an older one than that in force, which cannot be opened
    /// or read.
    package var servesOlder: Bool { isOlder.load(ordering: .relaxed) }

    /// Looks once, and opens what is new. To be called before the lane opens, so that the first tap has a snapshot.
    ///
    /// A file that cannot be opened or probed leaves the present snapshot in force; at the start, where there is none, and when
    /// the present one cannot be read any more, the newest other one that is good serves.
    package func check() {
        let doubt = doubted.withLock { doubted in
            defer { doubted = nil }
            return doubted
        }
        guard let mark = store.mark(), let path = store.current() else { return }
        let now = SystemClock.monotonicMs()
        let look = seen.withLock { SnapshotReloader.look(&$0, mark, doubt, now) }
        guard let look else { return }
        slot.withLock { slot in
            for candidate in [path] + (look.takesOthers ? store.others() : []) {
                do {
                    let snapshot = try Snapshot(path: candidate)
                    if look.mustBeWhole { try snapshot.check() } else { try snapshot.probe() }
                    log.info("snapshot opened", [.version: snapshot.version, .event: snapshot.event, .path: candidate])
                    slot = snapshot
                    isOlder.store(candidate != path, ordering: .relaxed)
                    isReady.store(true, ordering: .releasing)
                    return
                } catch {
                    log.error("snapshot cannot be opened", [.path: candidate, .error: "\(error)"])
                    if candidate == path { isOlder.store(true, ordering: .relaxed) }
                    let waitMs = look.mustBeWhole ? SnapshotReloader.wholeRetryMs : SnapshotReloader.retryMs
                    seen.withLock { $0.retryAtMs = now + waitMs }
                }
            }
        }
    }

    private struct Look {
        var takesOthers: Bool
        var mustBeWhole: Bool
    }

    /// Nil: there is nothing new.
    private static func look(_ seen: inout Seen, _ mark: Files.Status, _ doubt: Int64?, _ now: Int64) -> Look? {
        if mark != seen.mark {
            defer { seen = Seen(mark: mark) }
            return Look(takesOthers: seen.mark == nil, mustBeWhole: false)
        }
        // Once in a while: what was good as a whole, or the best there is, is not read over and over.
        let isAnswered = seen.distrusted.map { $0.version == doubt && now - $0.atMs < wholeRetryMs } ?? false
        if let doubt, !isAnswered {
            (seen.distrusted, seen.mustBeWhole, seen.retryAtMs) = ((doubt, now), true, nil)
            return Look(takesOthers: true, mustBeWhole: true)
        }
        guard let retryAtMs = seen.retryAtMs, retryAtMs <= now else { return nil }
        seen.retryAtMs = nil
        return Look(takesOthers: false, mustBeWhole: seen.mustBeWhole)
    }

    /// The watching loop, as a service of the daemon.
    package func service() -> Service {
        .thread("snapshot-watch") { stop in
            while !stop.wait(ms: SnapshotReloader.intervalMs) {
                self.check()
                self.closeRetired()
            }
        }
    }

    private func closeRetired() {
        // Out of the lock first: the lane may be retiring another one.
        let old = retired.withLock { retired in
            defer { retired = [] }
            return retired
        }
        if !old.isEmpty { log.debug("old snapshots closed", [.count: old.count]) }
    }
}
