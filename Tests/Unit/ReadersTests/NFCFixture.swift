import DeviceEmulation
import LinuxSystem
import Runtime
import ScanModel
import Synchronization
import TestSupport

@testable import Readers

/// An emulated PN532, a reader that uses it through libnfc, and the events of the reader.
final class NFCFixture: Sendable {
    let chip: PN532Emulator
    private let events = Mutex<[ReaderEvent]>([])
    /// Whether the lane takes no events, as with a full mailbox.
    let isFull = Atomic(false)
    private let refusals = Mutex<[ReaderEvent]>([])
    private let running = Mutex<NFCReader?>(nil)
    private let group = Mutex<(StopSignal, StopSignal)?>(nil)

    init(link: String? = nil) throws {
        _ = ListedReader.path
        chip = try PN532Emulator(link: link)
    }

    deinit { stop() }

    /// Starts a reader, and waits until it works.
    func start(
        keys: SecureMessageKeys? = nil, direction: Direction = .in, selfTestMs: Int64 = NFCReader.selfTestMs,
        settledMs: Int64 = 200, isListed: Bool = false, waits: Bool = true
    ) throws {
        let reader = NFCReader(
            connstring: isListed ? nil : chip.connstring, keys: keys, direction: direction, selfTestMs: selfTestMs,
            settledMs: settledMs
        ) { [weak self] event in self?.take(event) ?? false }
        running.withLock { $0 = reader }
        let (stop, ended) = (StopSignal(), StopSignal())
        group.withLock { $0 = (stop, ended) }
        NamedThread("test-reader") {
            let watched = StopSignal()
            NamedThread("test-watchdog") { reader.watch(watched) }
            reader.run(stop)
            watched.stop()
            ended.stop()
        }
        if waits { try hears(.back) }
    }

    /// Stops the reader and waits for its end.
    func stop() {
        guard let (stop, ended) = group.withLock({ $0.take() }) else { return }
        stop.stop()
        ended.wait(ms: waitLimitMs)
    }

    private func take(_ event: ReaderEvent) -> Bool {
        let isRefused = isFull.load(ordering: .acquiring)
        if isRefused {
            refusals.withLock { $0.append(event) }
        } else {
            events.withLock { $0.append(event) }
        }
        return !isRefused
    }

    /// The reader that was started.
    var reader: NFCReader? { running.withLock { $0 } }
    /// The events that were not taken.
    var refused: [ReaderEvent] { refusals.withLock { $0 } }
    var heard: [ReaderEvent] { events.withLock { $0 } }
    var taps: [Tap] { heard.compactMap { if case .tap(let tap) = $0 { tap } else { nil } } }

    /// Waits for the next event, which must be this one, and removes it.
    func hears(_ expected: ReaderEvent) throws {
        let event = try next("\(expected)")
        guard event == expected else { throw TestFailure("\(event) instead of \(expected)") }
    }

    /// Waits for `lost`, and returns the reason.
    @discardableResult
    func hearsLost() throws -> String {
        let event = try next("lost")
        guard case .lost(let reason) = event else { throw TestFailure("\(event) instead of lost") }
        return reason.description
    }

    /// Waits for `count` polls that find a tag.
    func polls(_ count: Int) throws {
        let before = chip.selections
        try eventually("\(count) polls", everyMs: 5) { chip.selections >= before + count }
    }

    /// Waits for `count` polls.
    func polls(anyResult count: Int) throws {
        let before = chip.count(of: 0x4a)
        try eventually("\(count) polls", everyMs: 5) { chip.count(of: 0x4a) >= before + count }
    }

    /// Removes the tag until the reader has noticed it.
    func clear() throws {
        chip.removeTag()
        let (before, since) = (chip.count(of: 0x4a), SystemClock.monotonicMs())
        try eventually("empty polls", everyMs: 5) {
            chip.count(of: 0x4a) > before + 3 && SystemClock.monotonicMs() - since > 2 * TagPresence.absenceMs
        }
    }

    private func next(_ what: String) throws -> ReaderEvent {
        try eventually(what, everyMs: 5) { !heard.isEmpty }
        return events.withLock { $0.removeFirst() }
    }
}
