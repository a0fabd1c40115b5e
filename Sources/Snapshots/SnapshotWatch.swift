public import Runtime
internal import Scans
internal import Synchronization

/// Sees when another snapshot comes into force, opens and probes it on a thread of its own, and hands it to the lane
/// between two taps. Nothing that a tap could wait for: `take` looks, and never waits.
public final class SnapshotWatch: Sendable {
    /// Twice a second: a switch is felt within the time of a tap or two, and the look is one stat(2).
    public static let intervalMs = 500
    /// How long a file that could not be opened is left alone.
    public static let retryMs: Int64 = 10_000

    // Held by the watching thread while it opens a file; the lane only ever tries it.
    private let slot = Mutex<Snapshot?>(nil)
    private struct Seen {
        var mark: Files.Status?
        /// Monotonic milliseconds; set after a file could not be opened, for want of descriptors perhaps.
        var retryAtMs: Int64?
    }
    private let seen = Mutex(Seen())
    private let isReady = Atomic(false)
    // Put down by the lane, closed by the watching thread.
    private let retired = Mutex<[Retired]>([])
    /// A snapshot that the lane has let go: from then on it is the watching thread's alone.
    private struct Retired: @unchecked Sendable { let snapshot: Snapshot }
    private let store: SnapshotStore
    private let log = Log("snapshots")

    public init(_ store: SnapshotStore) { self.store = store }

    /// The newest snapshot since the last call; nil when there is no other. The first call after `check` gives the one in
    /// force.
    public func take() -> Snapshot? {
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
    public func retire(_ snapshot: Snapshot) {
        let old = Retired(snapshot: snapshot)
        retired.withLock { $0.append(old) }
    }

    /// Looks once, and opens what is new. To be called before the lane opens, so that the first tap has a snapshot.
    ///
    /// A file that cannot be opened or probed leaves the present snapshot in force; at the start, where there is none, the
    /// newest other one that can be opened serves.
    public func check() {
        guard let mark = store.mark(), let path = store.current() else { return }
        let now = SystemClock.monotonicMs()
        let (isNew, isFirst) = seen.withLock { seen in
            let isNew = mark != seen.mark || seen.retryAtMs.map { $0 <= now } ?? false
            defer { if isNew { seen = Seen(mark: mark) } }
            return (isNew, seen.mark == nil)
        }
        guard isNew else { return }
        slot.withLock { slot in
            for candidate in [path] + (isFirst ? store.others() : []) {
                do {
                    let snapshot = try Snapshot(path: candidate)
                    try snapshot.probe()
                    log.info("snapshot opened", [.version: snapshot.version, .event: snapshot.event, .path: candidate])
                    slot = snapshot
                    isReady.store(true, ordering: .releasing)
                    return
                } catch {
                    log.error("snapshot cannot be opened", [.path: candidate, .error: "\(error)"])
                    seen.withLock { $0.retryAtMs = now + SnapshotWatch.retryMs }
                }
            }
        }
    }

    /// The watching loop, as a service of the daemon.
    public func service() -> Service {
        .thread("snapshot-watch") { stop in
            while !stop.wait(ms: SnapshotWatch.intervalMs) {
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
