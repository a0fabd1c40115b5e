import FileSystem
import LinuxSystem
package import Runtime
import ScanModel
package import Snapshots
import Synchronization

/// Opens newly installed snapshots for the lane.
///
/// A thread of the reloader opens and checks each new snapshot. The lane gets it between two taps with `nextSnapshot`,
/// which never blocks.
package final class SnapshotReloader: Sendable {
    /// Interval of the checks, in milliseconds. One stat(2) each; a new snapshot is in use after one or two taps.
    package static let intervalMs = 500
    /// Pause before a file that could not be opened is tried again, in milliseconds.
    package static let retryMs: Int64 = 10_000
    /// Pause before a file that failed the check of the whole file is checked again, in milliseconds. The check takes
    /// the device one to two seconds.
    static let wholeRetryMs: Int64 = 60_000

    // The reloader's thread holds it while it opens a file. The lane only tries it.
    private let slot = Mutex<Snapshot?>(nil)
    private struct CheckState {
        /// Status of the file `current` at the last check.
        var pointer: Files.Status?
        /// Monotonic milliseconds. Set after a file could not be opened, which may be a lack of descriptors.
        var retryAtMs: Int64?
        /// Whether the current file could not be read in use. Then the whole file is checked before it is used again.
        var checksWholeFile = false
        /// The last reported unreadable version, and when it was handled.
        var unreadable: (version: Int64, atMs: Int64)?
    }
    private let checkState = Mutex(CheckState())
    // Set by the lane: the version whose rows it could not read.
    private let reportedUnreadable = Mutex<Int64?>(nil)
    private let isOlder = Atomic(false)
    private let isReady = Atomic(false)
    // Filled by the lane, closed by the reloader's thread.
    private let retired = Mutex<[Retired]>([])
    /// A snapshot that the lane no longer uses. Only the reloader's thread touches it from then on.
    private struct Retired: @unchecked Sendable { let snapshot: Snapshot }
    private let store: SnapshotStore
    private let keyFingerprint: String?
    private let isKeyOther = Atomic(false)
    private let log = Log("snapshots")

    /// - Parameters:
    ///   - store: the store whose current snapshot is opened.
    ///   - keyFingerprint: `EventKey.fingerprint` of the lane's key. A snapshot of another key is not opened; `nil`:
    ///     every snapshot is.
    package init(_ store: SnapshotStore, keyFingerprint: String? = nil) {
        self.store = store
        self.keyFingerprint = keyFingerprint
    }

    /// Returns the newest snapshot opened since the last call. Never blocks.
    ///
    /// - Returns: `nil` if there is no other snapshot, or the reloader is opening one.
    package func nextSnapshot() -> Snapshot? {
        guard isReady.load(ordering: .acquiring) else { return nil }
        let taken: Snapshot?? = slot.withLockIfAvailable { slot in
            isReady.store(false, ordering: .relaxed)
            let snapshot = slot
            slot = nil
            return snapshot
        }
        return taken ?? nil
    }

    /// Takes over a snapshot that the lane no longer uses and closes it on the reloader's thread.
    ///
    /// The file may have been deleted; then the last close frees hundreds of megabytes, which must not delay a tap.
    package func retire(_ snapshot: Snapshot) {
        let old = Retired(snapshot: snapshot)
        retired.withLock { $0.append(old) }
    }

    /// Reports that the lane could not read a tag from this version.
    ///
    /// The reloader then checks the whole files and opens the best intact one: the current file again, or the previous
    /// one.
    package func reportUnreadable(_ version: Int64) { reportedUnreadable.withLock { $0 = version } }

    /// Whether the snapshot opened last is older than the current one, because the current one cannot be opened or
    /// read.
    package var isOlderThanCurrent: Bool { isOlder.load(ordering: .relaxed) }

    /// Whether the current snapshot was made with another event key than the lane's, so the lane does not use it.
    package var isCurrentOfOtherKey: Bool { isKeyOther.load(ordering: .relaxed) }

    /// Checks once for a new snapshot and opens it. Call it before the lane opens, so that the first tap has a
    /// snapshot.
    ///
    /// If a new file cannot be opened, the lane keeps its snapshot. At start-up, and after `reportUnreadable`, the
    /// newest other intact file is opened instead.
    package func check() {
        let unreadable = reportedUnreadable.withLock { reported in
            defer { reported = nil }
            return reported
        }
        guard let pointer = store.pointerStatus(), let path = store.current() else { return }
        let nowMs = SystemClock.monotonicMs()
        let plan = checkState.withLock { SnapshotReloader.plan(&$0, pointer, unreadable, nowMs) }
        guard let plan else { return }
        slot.withLock { slot in
            for candidate in [path] + (plan.triesOthers ? store.others() : []) {
                do {
                    let snapshot = try Snapshot(path: candidate)
                    let isOther = snapshot.isOfOtherKey(than: keyFingerprint)
                    if candidate == path { isKeyOther.store(isOther, ordering: .relaxed) }
                    if isOther {
                        log.error(
                            "snapshot not used: it was made with another event key",
                            [.path: candidate, .version: snapshot.version, .reason: snapshot.keyFingerprint ?? ""])
                        continue
                    }
                    if plan.checksWholeFile { try snapshot.check() } else { try snapshot.probe() }
                    if keyFingerprint != nil, snapshot.keyFingerprint == nil {
                        log.warning(
                            "event key not compared: the snapshot states no fingerprint", [.version: snapshot.version])
                    }
                    log.info("snapshot opened", [.version: snapshot.version, .event: snapshot.event, .path: candidate])
                    slot = snapshot
                    isOlder.store(candidate != path && !isCurrentOfOtherKey, ordering: .relaxed)
                    isReady.store(true, ordering: .releasing)
                    return
                } catch {
                    log.error("snapshot cannot be opened", [.path: candidate, .error: "\(error)"])
                    if candidate == path {
                        // The key of this file is not known. What was said of the file before it no longer holds.
                        isKeyOther.store(false, ordering: .relaxed)
                        isOlder.store(true, ordering: .relaxed)
                    }
                    let waitMs = plan.checksWholeFile ? SnapshotReloader.wholeRetryMs : SnapshotReloader.retryMs
                    checkState.withLock { $0.retryAtMs = nowMs + waitMs }
                }
            }
        }
    }

    private struct OpenPlan {
        /// Whether older files are tried if the current one cannot be opened.
        var triesOthers: Bool
        var checksWholeFile: Bool
    }

    /// Decides what to open; `nil` if there is nothing new.
    private static func plan(
        _ state: inout CheckState, _ pointer: Files.Status, _ unreadable: Int64?, _ nowMs: Int64
    ) -> OpenPlan? {
        if pointer != state.pointer {
            defer { state = CheckState(pointer: pointer) }
            return OpenPlan(triesOthers: state.pointer == nil, checksWholeFile: false)
        }
        // Limited to one check per version and minute: the best file there is must not be read again and again.
        let isHandled =
            state.unreadable.map { $0.version == unreadable && nowMs - $0.atMs < wholeRetryMs } ?? false
        if let unreadable, !isHandled {
            state.unreadable = (unreadable, nowMs)
            state.checksWholeFile = true
            state.retryAtMs = nil
            return OpenPlan(triesOthers: true, checksWholeFile: true)
        }
        guard let retryAtMs = state.retryAtMs, retryAtMs <= nowMs else { return nil }
        state.retryAtMs = nil
        return OpenPlan(triesOthers: false, checksWholeFile: state.checksWholeFile)
    }

    /// The checking loop, as a service of the daemon.
    package func service() -> Service {
        .thread("snapshot-reload") { stop in
            while !stop.wait(ms: SnapshotReloader.intervalMs) {
                self.check()
                self.closeRetired()
            }
        }
    }

    private func closeRetired() {
        // Moved out of the lock first, because the lane may retire another snapshot at the same time.
        let old = retired.withLock { retired in
            defer { retired = [] }
            return retired
        }
        if !old.isEmpty { log.debug("old snapshots closed", [.count: old.count]) }
    }
}
