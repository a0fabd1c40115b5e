import AccessControl
import GateController
import LinuxSystem
import Runtime
import ScanModel
import SnapshotInstall
import Synchronization
import TestSupport

/// A lane with real journal, snapshots and restarts, whose clocks the test sets.
final class LaneWorld {
    struct Clocks {
        var trueMs: Int64 = LaneFixture.day * 1_000 + 9 * 3_600_000
        /// Error of the device clock, in milliseconds.
        var offMs: Int64 = 0
        var isSynchronised = false
        /// Monotonic clock of the device.
        var monotonicMs: Int64 = 1_000
        /// Number of the boot.
        var boot: UInt8 = 1
    }

    /// Clocks that the test sets and the lane reads.
    final class Device: Sendable {
        let clocks = Mutex(Clocks())
        var now: Clocks { clocks.withLock { $0 } }
    }

    let venue: LaneFixture
    let device = Device()
    let inbox = LaneInbox()
    let updates = ReceivedUpdates()
    let output = VerdictLines()
    private(set) var reloader: SnapshotReloader
    private var running: Lane?
    private let change: (inout Lane.Settings) -> Void

    init(_ change: @escaping (inout Lane.Settings) -> Void = { _ in }) throws {
        venue = try LaneFixture()
        self.change = change
        reloader = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
    }

    /// Starts a new lane with the installed snapshot.
    @discardableResult
    func start() throws -> Lane {
        running = nil
        reloader = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
        reloader.check()
        var settings = venue.settings()
        settings.readers = [Lane.Settings.Reader("nfc:test")]
        change(&settings)
        let (updates, output, device) = (updates, output, device)
        let time = LaneTime(
            nowMs: { device.now.trueMs + device.now.offMs }, monotonicMs: { device.now.monotonicMs },
            bootID: BootID(bytes: Array(repeating: device.now.boot, count: 16)),
            isSynchronised: { device.now.isSynchronised })
        let lane = try Lane(settings, reloader: reloader, inbox: inbox, time: time) {
            output.lines.append($0)
        } notify: {
            updates.list.append($0)
        }
        running = lane
        return lane
    }

    var lane: Lane { running! }

    func stop() { running = nil }

    /// Restarts the device: the monotonic clock begins again. `start` starts the lane.
    func reboot() {
        stop()
        device.clocks.withLock { clocks in
            clocks.monotonicMs = 500
            clocks.boot &+= 1
        }
    }

    func advance(_ ms: Int64) {
        device.clocks.withLock { clocks in
            clocks.trueMs += ms
            clocks.monotonicMs += ms
        }
    }

    func setClock(offMs: Int64) { device.clocks.withLock { $0.offMs = offMs } }
    func setSynchronised(_ isSynchronised: Bool) { device.clocks.withLock { $0.isSynchronised = isSynchronised } }

    /// An event that arrives now.
    func arrival(_ event: LaneEvent) -> TimestampedEvent {
        let clocks = device.now
        return TimestampedEvent(event, atMs: clocks.trueMs + clocks.offMs, monotonicMs: clocks.monotonicMs)
    }

    func tap(_ uid: [UInt8], _ direction: Direction = .in, _ proof: Tap.Proof = .uid) -> LaneEvent {
        .reader(0, .tap(Tap(.uid(uid), proof: proof, direction: direction)))
    }

    /// Taps now and returns the result.
    @discardableResult
    func tap(_ person: LaneFixture.Person, _ direction: Direction = .in, _ proof: Tap.Proof = .uid) -> TapResult? {
        let before = updates.results.count
        lane.dispatch(arrival(tap(venue.uid(person), direction, proof)))
        return updates.results.count > before ? updates.results.last : nil
    }

    /// Runs the loop once: a command that changes nothing stops it.
    func runOnce() throws {
        let stop = StopSignal()
        inbox.send(arrival(.command(.mode(.normal)) { _ in stop.stop() }))
        try lane.run(nil, stop: stop)
    }

    func verdicts() throws -> [UInt8] { try venue.journaled().map(\.verdict.rawValue) }
}
