import LinuxSystem
import Runtime
import ScanJournal
import ScanModel
import Synchronization

/// The lanes of some virtual scanners, on one thread.
///
/// The writer owns their journals until the end of the run, because the publishers of the same process read them.
final class FleetWriter {
    /// Scans per transaction when the journals are filled at full speed.
    static let fillScans = 5_000
    /// Simulated time between two taps of a scanner when its journal is filled at full speed, in milliseconds.
    static let spacingMs: Int64 = 50

    /// Counters that all writers add to, and the fleet reads.
    struct Progress: Sendable {
        let scans: Counter
        let admitted: Counter
        /// Writers that have tapped all their scans.
        let finished: Counter

        init() {
            let metrics = Metrics()
            scans = metrics.counter("scans", "")
            admitted = metrics.counter("admitted", "")
            finished = metrics.counter("finished", "")
        }
    }

    private struct Lane {
        let number: Int
        let journal: Journal
        let taps: [Journal.Entry]?
        var left: Int
        var done = 0
        var random: SeededRandom
    }

    private let world: FleetWorld
    private let progress: Progress
    private var lanes: [Lane]

    private let scannersBehind: Int
    private let startMs = SystemClock.monotonicMs()

    /// Opens the journals.
    ///
    /// - Parameter scannersBehind: as in `FleetSettings`.
    /// - Throws: `DataFileError`.
    init(
        _ world: FleetWorld, _ shares: [FleetShare], seed: UInt64, scannersBehind: Int = 0, _ progress: Progress
    ) throws {
        self.world = world
        self.scannersBehind = scannersBehind
        self.progress = progress
        lanes = try shares.map { share in
            Lane(
                number: share.number, journal: try Journal(folder: share.folder, scanner: share.scanner),
                taps: share.taps, left: share.scans,
                random: SeededRandom(seed: seed &+ UInt64(share.number + 1) &* 0x9e37_79b9_7f4a_7c15))
        }
    }

    /// Fills all journals at full speed. The taps are in the past, the last one is now.
    func fill(_ stop: StopSignal) throws {
        let nowMs = SystemClock.nowMicroseconds() / 1_000
        for index in lanes.indices {
            while lanes[index].left > 0, !stop.isStopped {
                let count = min(lanes[index].left, FleetWriter.fillScans)
                let left = Int64(lanes[index].left)
                let entries = (0..<count).map { offset in
                    tap(index, atMs: nowMs - (left - Int64(offset)) * FleetWriter.spacingMs)
                }
                _ = try lanes[index].journal.appendBatch(entries)
            }
        }
        progress.finished.add()
    }

    /// Appends tap by tap, each durable before the next one, as a lane does.
    ///
    /// - Parameter rate: taps per second of all lanes of this writer together.
    func tap(rate: Double, _ stop: StopSignal) throws {
        let startMs = SystemClock.monotonicMs()
        var tapped = 0
        var index = 0
        while lanes.contains(where: { $0.left > 0 }) {
            let due = Int(Double(SystemClock.monotonicMs() - startMs) * rate / 1_000)
            while tapped < due, lanes.contains(where: { $0.left > 0 }) {
                repeat { index = (index + 1) % lanes.count } while lanes[index].left == 0
                let entry = tap(index, atMs: SystemClock.nowMicroseconds() / 1_000)
                _ = try lanes[index].journal.append(
                    atMs: entry.atMs, tag: entry.tag, verdict: entry.verdict, flags: entry.flags, gate: entry.gate,
                    snapshot: entry.snapshot)
                tapped += 1
            }
            if stop.wait(ms: 10) { break }
        }
        progress.finished.add()
    }

    private func tap(_ index: Int, atMs: Int64) -> Journal.Entry {
        let entry = lanes[index].taps.map { $0[lanes[index].done] } ?? draw(index, atMs: atMs)
        lanes[index].done += 1
        lanes[index].left -= 1
        progress.scans.add()
        if entry.verdict == .admitted { progress.admitted.add() }
        return entry
    }

    /// Draws a tap. The clock of a device without a battery shows the time since its boot.
    private func draw(_ index: Int, atMs: Int64) -> Journal.Entry {
        let isBehind = lanes[index].number < scannersBehind
        let shownMs = isBehind ? SystemClock.monotonicMs() - startMs : atMs
        var entry = world.draw(lanes[index].number, atMs: shownMs, &lanes[index].random)
        if isBehind { entry.flags.insert(.clockNotTrusted) }
        return entry
    }
}

/// The part of the fleet's work that one virtual scanner does.
struct FleetShare: Sendable {
    /// 0 for the first scanner.
    let number: Int
    let scanner: ScannerID
    /// Its data folder.
    let folder: String
    let scans: Int
    /// Its taps from a trace; `nil` if taps are drawn from the world.
    let taps: [Journal.Entry]?
}
