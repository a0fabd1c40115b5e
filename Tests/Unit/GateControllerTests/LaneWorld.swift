import AccessControl
import GateController
import Runtime
import ScanModel
import SnapshotInstall
import Synchronization
import TestSupport

/// A lane on the disk whose clocks the test turns: the real journal, real snapshots, real restarts.
final class LaneWorld {
    struct Clocks {
        var trueMs: Int64 = Venue.day * 1_000 + 9 * 3_600_000
        /// What a wrong device clock adds.
        var offMs: Int64 = 0
        var isSynchronised = false
        /// Since the device was switched on.
        var monotonicMs: Int64 = 1_000
    }

    /// Turned by the test, read by its lane.
    final class Device: Sendable {
        let clocks = Mutex(Clocks())
        var now: Clocks { clocks.withLock { $0 } }
    }

    let venue: Venue
    let device = Device()
    let mailbox = Mailbox<TimestampedEvent>(capacity: LaneEvent.capacity)
    let noticed = Noticed()
    let told = Told()
    private(set) var watch: SnapshotReloader
    private var running: Lane?
    private let change: (inout Lane.Settings) -> Void

    init(_ change: @escaping (inout Lane.Settings) -> Void = { _ in }) throws {
        venue = try Venue()
        self.change = change
        watch = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
    }

    /// A new start of the program, with the snapshot that is there.
    @discardableResult
    func start() throws -> Lane {
        running = nil
        watch = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
        watch.check()
        var settings = venue.settings()
        settings.readers = [Lane.Settings.Reader("nfc:test")]
        change(&settings)
        let (noticed, told, device) = (noticed, told, device)
        let time = LaneTime(
            nowMs: { device.now.trueMs + device.now.offMs }, monotonicMs: { device.now.monotonicMs },
            isSynchronised: { device.now.isSynchronised })
        let lane = try Lane(settings, watch: watch, mailbox: mailbox, time: time) {
            told.lines.append($0)
        } notify: {
            noticed.notices.append($0)
        }
        running = lane
        return lane
    }

    var lane: Lane { running! }

    func stop() { running = nil }

    func pass(_ ms: Int64) {
        device.clocks.withLock { clocks in
            clocks.trueMs += ms
            clocks.monotonicMs += ms
        }
    }

    func turn(offMs: Int64) { device.clocks.withLock { $0.offMs = offMs } }
    func synchronise(_ isSynchronised: Bool) { device.clocks.withLock { $0.isSynchronised = isSynchronised } }

    /// As it reaches the lane now.
    func arrival(_ input: LaneEvent) -> TimestampedEvent {
        let clocks = device.now
        return TimestampedEvent(input, atMs: clocks.trueMs + clocks.offMs, monotonicMs: clocks.monotonicMs)
    }

    func tap(_ uid: [UInt8], _ direction: Direction = .in, _ proof: Tap.Proof = .uid) -> LaneEvent {
        .reader(0, .tap(Tap(.uid(uid), proof: proof, direction: direction)))
    }

    /// Taps now, and gives the answer.
    @discardableResult
    func tap(_ person: Venue.Person, _ direction: Direction = .in, _ proof: Tap.Proof = .uid) -> TapResult? {
        let before = noticed.signals.count
        lane.handle(arrival(tap(venue.uid(person), direction, proof)))
        return noticed.signals.count > before ? noticed.signals.last : nil
    }

    /// Lets the lane look around once: an order that changes nothing stops it.
    func lookAround() throws {
        let stop = StopSignal()
        mailbox.send(arrival(.order(.mode(.normal)) { _ in stop.stop() }))
        try lane.run(nil, stop: stop)
    }

    func verdicts() throws -> [UInt8] { try venue.journalled().map(\.verdict.rawValue) }
}
