import CLI
import DataFolder
import FileSystem
import LinuxSystem
package import Runtime
import ScanJournal
import ScanModel
import ScanUpload
import Snapshots
import Synchronization

/// A simulated fleet in one process, on the real journal and publisher code: each virtual scanner has a data folder, a
/// journal, and a publisher with a connection of its own.
package final class Fleet: Sendable {
    /// Threads that tap; publishing takes a thread a scanner.
    static let writers = 4
    /// A publisher calls nothing deep; a thousand stacks of a megabyte would be all address space.
    static let stackBytes = 512 << 10

    private let settings: FleetSettings
    private let log = Log("fleet")
    private let failure = Mutex<(any Error)?>(nil)

    package init(_ settings: FleetSettings) { self.settings = settings }

    /// Taps, publishes, and waits until all is confirmed, the time is over, or `stop` is told.
    ///
    /// Throws `ProgramError` for settings that cannot be, `DataFileError`, and whatever ends a publisher.
    package func run(_ stop: StopSignal) throws -> FleetSummary {
        let isTemporary = settings.folder == nil
        let folder = try settings.folder ?? Files.makeTemporaryFolder("tapline-fleet")
        defer { if isTemporary { try? Files.removeFolder(folder) } }
        let needed = settings.scanners * 12 + 64
        guard ProcessLimits.raiseOpenFiles(to: needed) >= needed else {
            throw ProgramError.configuration("\(settings.scanners) scanners need \(needed) open files (ulimit -n)")
        }
        let (world, shares) = try prepare(folder)
        let metrics = Metrics()
        let progress = FleetWriter.Progress(
            scans: metrics.counter("scans", ""), admitted: metrics.counter("admitted", ""),
            finished: metrics.counter("finished", ""))
        let end = StopSignal()
        let statuses = shares.map { PublisherStatus(folder: $0.folder, scanner: $0.scanner.text, isKept: false) }
        var summary = FleetSummary(
            scanners: shares.count, scans: 0, admitted: 0, confirmed: 0, startedMs: 0, seconds: 0, rate: 0,
            fillSeconds: 0,
            batches: 0, bytes: 0, connects: 0, heartbeats: 0, seed: settings.seed, complete: false)

        let startMs = SystemClock.monotonicMs()
        let writers = startWriters(world, shares, progress, stop, end)
        // Even with a rate, all journals are opened before the first is read.
        let opened = settings.rate == nil ? progress.finished : writers.opened
        waitUntil(stop) { opened.value >= writers.count }
        if settings.rate == nil { summary.fillSeconds = Double(SystemClock.monotonicMs() - startMs) / 1_000 }
        let waiting = try backlog(shares)
        if settings.isHeld, failure.withLock({ $0 == nil }) {
            try StandardOutput.writeLine("filled")
            _ = try LineInput().next(or: stop, withinMs: -1)
        }
        let publishMs = SystemClock.monotonicMs()
        summary.startedMs = SystemClock.nowMicroseconds() / 1_000
        let publishers = failure.withLock { $0 == nil } ? startPublishers(shares, statuses, stop: end) : []
        wait(stop, waiting, writers.count, progress, statuses)
        summary.seconds = max(0.001, Double(SystemClock.monotonicMs() - publishMs) / 1_000)
        end.stop()
        for thread in publishers + writers.threads { thread.join() }
        if let error = failure.withLock({ $0 }) { throw error }
        return finish(summary, waiting, progress, statuses)
    }

    private func finish(
        _ begun: FleetSummary, _ waiting: Int, _ progress: FleetWriter.Progress, _ statuses: [PublisherStatus]
    ) -> FleetSummary {
        var summary = begun
        (summary.scans, summary.admitted) = (progress.scans.value, progress.admitted.value)
        for status in statuses {
            summary.confirmed += status.confirmedScans.value
            summary.batches += status.publishedBatches.value
            summary.bytes += status.publishedBytes.value
            summary.connects += status.connects.value
            summary.heartbeats += status.heartbeats.value
        }
        summary.rate = Int(Double(summary.confirmed) / summary.seconds)
        summary.complete = summary.confirmed >= target(waiting, progress) && summary.scans >= wanted
        return summary
    }

    /// Scans that must be confirmed: those found or filled before publishing began, and those tapped since.
    private func target(_ waiting: Int, _ progress: FleetWriter.Progress) -> Int {
        settings.rate == nil ? waiting : waiting + progress.scans.value
    }

    private var wanted: Int { scansWanted.withLock { $0 } }
    private let scansWanted = Mutex(0)

    /// The world, and what each scanner taps in it.
    private func prepare(_ folder: String) throws -> (FleetWorld, [FleetShare]) {
        let scanners = try (0..<settings.scanners).map(settings.scanner)
        let world: FleetWorld
        var taps: [[Journal.Entry]]?
        switch settings.source {
        case .synthetic(let attendees):
            world = FleetWorld(attendees: attendees, scanners: scanners.count, seed: settings.seed)
        case .snapshot(let path):
            do { world = try FleetWorld(try Snapshot(path: path), scanners: scanners) } catch let error as SnapshotError
            {
                throw ProgramError.configuration("--from-snapshot: \(error)")
            }
        case .trace(let path, let key):
            world = FleetWorld(scanners: scanners.count)
            taps = try FleetTrace(path: path, scanners: scanners.count, key: key, limit: settings.scans).taps
        }
        let total = taps?.reduce(0) { $0 + $1.count } ?? settings.scans ?? 0
        scansWanted.withLock { $0 = total }
        let (each, rest) = total.quotientAndRemainder(dividingBy: scanners.count)
        let shares = scanners.enumerated().map { number, scanner in
            FleetShare(
                number: number, scanner: scanner, folder: "\(folder)/\(scanner)",
                scans: taps?[number].count ?? each + (number < rest ? 1 : 0), taps: taps?[number])
        }
        return (world, shares)
    }

    /// Scans in the journals that were not shipped yet, by this run or one before.
    private func backlog(_ shares: [FleetShare]) throws -> Int {
        guard settings.rate == nil else { return 0 }
        return try shares.reduce(0) { sum, share in
            sum
                + (try JournalReader(folder: share.folder).backlog(
                    beyond: try UploadCursors.read(folder: share.folder), scanner: share.scanner))
        }
    }

    private struct Writers {
        var threads: [JoinedThread]
        var count: Int
        var opened: Counter
    }

    private func startWriters(
        _ world: FleetWorld, _ shares: [FleetShare], _ progress: FleetWriter.Progress, _ stop: StopSignal,
        _ end: StopSignal
    ) -> Writers {
        let count = min(Fleet.writers, shares.count)
        let opened = Metrics().counter("opened", "")
        let (rate, seed) = (settings.rate.map { Double($0) / Double(count) }, settings.seed)
        let threads = (0..<count).map { number in
            let own = shares.filter { $0.number % count == number }
            return JoinedThread("fleet-writer", stackBytes: 1 << 20) { [self] in
                do {
                    let writer = try FleetWriter(world, own, seed: seed, progress)
                    opened.add()
                    if let rate { try writer.tap(rate: rate, stop) } else { try writer.fill(stop) }
                    // The journals stay open as long as they are read.
                    while !end.isStopped { end.wait(ms: 60_000) }
                    withExtendedLifetime(writer) {}
                } catch { fail(error) }
            }
        }
        return Writers(threads: threads, count: count, opened: opened)
    }

    private func startPublishers(
        _ shares: [FleetShare], _ statuses: [PublisherStatus], stop: StopSignal
    ) -> [JoinedThread] {
        zip(shares, statuses).map { share, status in
            JoinedThread("\(share.scanner)", stackBytes: Fleet.stackBytes) { [self] in
                do {
                    var upload = try Upload.Settings(folder: share.folder, scanner: share.scanner, urls: settings.urls)
                    upload.seed = settings.seed &+ UInt64(share.number)
                    // A thousand cursors on one disk: a device has that disk for itself.
                    upload.cursorMs = 500
                    upload.logsConnections = false
                    upload.limits.batchScans = settings.batchScans
                    try Upload(upload, status).run(stop)
                } catch { fail(error) }
            }
        }
    }

    private func fail(_ error: any Error) { failure.withLock { $0 = $0 ?? error } }

    private func waitUntil(_ stop: StopSignal, _ isSo: () -> Bool) {
        while !isSo(), failure.withLock({ $0 == nil }), !stop.wait(ms: 10) {}
    }

    private func wait(
        _ stop: StopSignal, _ waiting: Int, _ writers: Int, _ progress: FleetWriter.Progress,
        _ statuses: [PublisherStatus]
    ) {
        var deadlineMs: Int64?
        var toldMs = SystemClock.monotonicMs()
        while failure.withLock({ $0 == nil }), !stop.wait(ms: 10) {
            let nowMs = SystemClock.monotonicMs()
            let confirmed = statuses.reduce(0) { $0 + $1.confirmedScans.value }
            if progress.finished.value >= writers {
                if confirmed >= target(waiting, progress) { return }
                deadlineMs = deadlineMs ?? nowMs + Int64(settings.timeoutS) * 1_000
                if nowMs >= deadlineMs! { return log.error("not all was confirmed in time", [.count: confirmed]) }
            }
            if nowMs - toldMs >= 5_000 {
                toldMs = nowMs
                log.info("publishing", [.count: confirmed, .backlog: target(waiting, progress) - confirmed])
            }
        }
    }
}

/// A plain thread whose end another thread waits for.
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
