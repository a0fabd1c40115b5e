import DataFolder
import FileSystem
import LinuxSystem
package import Runtime
import ScanJournal
import ScanModel
import ScanUpload
import Snapshots
import Synchronization

/// A simulated fleet in one process, on the real journal and publisher code.
///
/// Each virtual scanner has a data folder, a journal, and a publisher with its own broker connection.
package final class Fleet: Sendable {
    /// Threads that tap. Publishing takes one thread per scanner.
    static let writers = 4
    /// Open files of one scanner: journal, WAL, shared memory, cursor, socket, pipes, and a reserve.
    static let filesPerScanner = 12
    /// Interval between two progress lines in the log, in milliseconds.
    static let reportMs: Int64 = 5_000

    private let settings: FleetSettings
    private let log = Log("fleet")
    private let failure = Mutex<(any Error)?>(nil)

    /// Creates a fleet. `run` checks the settings and starts it.
    package init(_ settings: FleetSettings) { self.settings = settings }

    /// What the fleet taps: the world, the part of each scanner, and the sum of scans.
    private struct Plan {
        var world: FleetWorld
        var shares: [FleetShare]
        var scans: Int
    }

    private struct Writers {
        var threads: [JoinedThread]
        /// The number of writers that have opened their journals.
        var opened: Counter
    }

    private var hasFailed: Bool { failure.withLock { $0 != nil } }

    /// Taps, publishes, and waits until the broker has confirmed every scan, the time limit is reached, or `stop` is
    /// set.
    ///
    /// - Returns: the figures of the run; `complete` is `false` if scans are not confirmed.
    /// - Throws: `FleetError` for unusable settings, `DataFileError` for a journal, and errors that end a publisher.
    package func run(_ stop: StopSignal) throws -> FleetSummary {
        let isTemporary = settings.folder == nil
        let folder = try settings.folder ?? Files.makeTemporaryFolder("tapline-fleet")
        defer { if isTemporary { try? Files.removeFolder(folder) } }
        let needed = settings.scanners * Fleet.filesPerScanner + 64
        guard ProcessLimits.raiseOpenFiles(to: needed) >= needed else {
            throw FleetError.openFileLimit(scanners: settings.scanners, needed: needed)
        }
        let plan = try plan(folder)
        let progress = FleetWriter.Progress()
        let end = StopSignal()
        let statuses = plan.shares.map { PublisherStatus(folder: $0.folder, scanner: $0.scanner.text, isKept: false) }
        var summary = FleetSummary(scanners: plan.shares.count, seed: settings.seed)

        let startMs = SystemClock.monotonicMs()
        let writers = startWriters(plan, progress, stop, end)
        // All journals are opened before a publisher reads the first one.
        let ready = settings.rate == nil ? progress.finished : writers.opened
        while ready.value < writers.threads.count, !hasFailed, !stop.wait(ms: 10) {}
        if settings.rate == nil { summary.fillSeconds = Double(SystemClock.monotonicMs() - startMs) / 1_000 }
        let waiting = try backlog(plan.shares)
        if settings.isHeld, !hasFailed {
            try StandardOutput.writeLine("filled")
            _ = try LineInput().next(or: stop, withinMs: -1)
        }
        let publishMs = SystemClock.monotonicMs()
        summary.startedMs = SystemClock.nowMicroseconds() / 1_000
        let publishers = hasFailed ? [] : startPublishers(plan.shares, statuses, stop: end)
        awaitConfirms(stop, waiting, writers.threads.count, progress, statuses)
        summary.seconds = max(0.001, Double(SystemClock.monotonicMs() - publishMs) / 1_000)
        end.stop()
        for thread in publishers + writers.threads { thread.join() }
        if let error = failure.withLock({ $0 }) { throw error }

        summary.add(progress, statuses)
        summary.complete = summary.confirmed >= target(waiting, progress) && summary.scans >= plan.scans
        return summary
    }

    /// The number of scans that must be confirmed: `waiting` scans were in the journals before publishing began.
    private func target(_ waiting: Int, _ progress: FleetWriter.Progress) -> Int {
        settings.rate == nil ? waiting : waiting + progress.scans.value
    }

    private func plan(_ folder: String) throws -> Plan {
        let scanners = try (0..<settings.scanners).map(settings.scanner)
        let world: FleetWorld
        var taps: [[Journal.Entry]]?
        switch settings.source {
        case .synthetic(let attendees):
            world = FleetWorld(attendees: attendees, scanners: scanners.count, seed: settings.seed)
        case .snapshot(let path, let fingerprint):
            do {
                let snapshot = try Snapshot(path: path)
                if let fingerprint, let wanted = snapshot.keyFingerprint, wanted != fingerprint {
                    throw FleetError.keyDiffers(given: fingerprint, snapshot: wanted)
                }
                world = try FleetWorld(snapshot, scanners: scanners)
            } catch let error as SnapshotError { throw FleetError.unusableSnapshot("\(error)") }
        case .trace(let path, let key):
            world = FleetWorld(scanners: scanners.count)
            taps = try FleetTrace(path: path, scanners: scanners.count, key: key, limit: settings.scans).taps
        }
        let scans = taps?.reduce(0) { $0 + $1.count } ?? settings.scans ?? 0
        let (each, rest) = scans.quotientAndRemainder(dividingBy: scanners.count)
        let shares = scanners.enumerated().map { number, scanner in
            FleetShare(
                number: number, scanner: scanner, folder: "\(folder)/\(scanner)",
                scans: taps?[number].count ?? each + (number < rest ? 1 : 0), taps: taps?[number])
        }
        return Plan(world: world, shares: shares, scans: scans)
    }

    /// The number of unconfirmed scans in the journals. Scans of an earlier run in the same folders count too.
    private func backlog(_ shares: [FleetShare]) throws -> Int {
        guard settings.rate == nil else { return 0 }
        return try shares.reduce(0) { sum, share in
            let cursors = try UploadCursors.read(folder: share.folder)
            return sum + (try JournalReader(folder: share.folder).backlog(beyond: cursors, scanner: share.scanner))
        }
    }

    private func startWriters(
        _ plan: Plan, _ progress: FleetWriter.Progress, _ stop: StopSignal, _ end: StopSignal
    ) -> Writers {
        let count = min(Fleet.writers, plan.shares.count)
        let opened = Metrics().counter("opened", "")
        let (rate, seed) = (settings.rate.map { Double($0) / Double(count) }, settings.seed)
        let threads = (0..<count).map { number in
            let shares = plan.shares.filter { $0.number % count == number }
            return JoinedThread("fleet-writer", stackBytes: 1 << 20) { [self] in
                do {
                    let writer = try FleetWriter(
                        plan.world, shares, seed: seed, scannersBehind: settings.scannersBehind, progress)
                    opened.add()
                    if let rate { try writer.tap(rate: rate, stop) } else { try writer.fill(stop) }
                    // The journals stay open until the publishers have read them.
                    while !end.isStopped { end.wait(ms: 60_000) }
                    withExtendedLifetime(writer) {}
                } catch { fail(error) }
            }
        }
        return Writers(threads: threads, opened: opened)
    }

    private func startPublishers(
        _ shares: [FleetShare], _ statuses: [PublisherStatus], stop: StopSignal
    ) -> [JoinedThread] {
        zip(shares, statuses).map { share, status in
            JoinedThread("\(share.scanner)", stackBytes: Upload.stackBytes) { [self] in
                do {
                    var upload = try settings.upload(share.number, folder: share.folder)
                    upload.seed = settings.seed &+ UInt64(share.number)
                    // Slower than on a scanner, because all cursors of the fleet are flushed to one disk.
                    upload.cursorMs = 500
                    upload.logsConnections = false
                    upload.limits.batchScans = settings.batchScans
                    try Upload(upload, status).run(stop)
                } catch { fail(error) }
            }
        }
    }

    private func fail(_ error: any Error) { failure.withLock { $0 = $0 ?? error } }

    /// Waits until every scan is confirmed, the time limit is reached, a thread has failed, or `stop` is set.
    private func awaitConfirms(
        _ stop: StopSignal, _ waiting: Int, _ writers: Int, _ progress: FleetWriter.Progress,
        _ statuses: [PublisherStatus]
    ) {
        var deadlineMs = Int64.max
        var reportedMs = SystemClock.monotonicMs()
        while !hasFailed, !stop.wait(ms: 10) {
            let nowMs = SystemClock.monotonicMs()
            let confirmed = statuses.reduce(0) { $0 + $1.confirmedScans.value }
            if progress.finished.value >= writers {
                if confirmed >= target(waiting, progress) { return }
                deadlineMs = min(deadlineMs, nowMs + Int64(settings.timeoutS) * 1_000)
                if nowMs >= deadlineMs { return log.error("not all scans confirmed in time", [.count: confirmed]) }
            }
            if nowMs - reportedMs >= Fleet.reportMs {
                reportedMs = nowMs
                log.info("publishing", [.count: confirmed, .backlog: target(waiting, progress) - confirmed])
            }
        }
    }
}

/// A thread that another thread can wait for.
private struct JoinedThread: Sendable {
    private let ended = StopSignal()

    init(_ name: String, stackBytes: Int, _ body: @escaping @Sendable () -> Void) {
        let ended = ended
        NamedThread(name, stackBytes: stackBytes) {
            body()
            ended.stop()
        }
    }

    func join() { while !ended.wait(ms: 60_000) {} }
}
