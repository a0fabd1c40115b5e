import FileSystem
import LinuxSystem
import NFC
package import Runtime
package import ScanModel
import SerialPorts
import Synchronization

/// An NFC reader of a lane, operated through libnfc on a separate thread.
///
/// It reports one tap for each tag that arrives. A reader that is disconnected, silent or has lost its settings is
/// reopened until it works. With keys, the secure unique message of a chip is read. A chip that leaves during the read
/// is reported as a dropped read, so that its holder presents it again.
package final class NFCReader: Sendable {
    /// Pause between two polls for a tag, in milliseconds. A poll takes about 20 ms with a PN532.
    static let pollPauseMs = 20
    /// Time without a tag after which the reader is reopened, in milliseconds. A reader whose supply voltage dipped
    /// answers all commands but finds no tags, and only opening restores its settings. A tap during this takes about
    /// 0.2 s longer.
    static let selfTestMs: Int64 = 10_000
    /// A reader that has polled for this time without an error works, in milliseconds. Before that, reconnects use
    /// back-off and are not reported: a weak supply would otherwise make the display flicker. Tags are reported.
    static let settledMs: Int64 = 2_000
    /// Interval between two checks whether a missing port is back, in milliseconds.
    static let goneMs = 200
    /// Time limits of one call into libnfc for the watchdog, in milliseconds. They are well above those of the library.
    static let callLimitMs: Int64 = 2_000
    static let openLimitMs: Int64 = 5_000
    static let watchPauseMs = 250
    /// Time limit of the exchange with one chip, in milliseconds. Seven commands of about 30 ms are usual, and people
    /// hold a wristband to the reader for about a second.
    static let readLimitMs: Int64 = 1_000
    /// Number of consecutive radio errors after which the reader is reopened.
    static let disturbanceLimit = 50

    private let connstring: String?
    private let keys: SecureMessageKeys?
    private let direction: Direction
    private let selfTestMs, settledMs: Int64
    private let deliver: @Sendable (ReaderEvent) -> Bool
    private let log: Log
    let health: ReaderHealth
    /// The device that the watchdog aborts.
    private let current = Mutex<NFCDevice?>(nil)

    /// - Parameters:
    ///   - connstring: The connection string for libnfc, or `nil` for the only reader that it finds.
    ///   - keys: The keys of secure messages, or `nil` to identify all chips by their UID.
    ///   - direction: The direction of the taps.
    ///   - deliver: Called with the events in order, by two threads. It must not wait. If it returns `false`, `lost`
    ///     and `back` are repeated, and a tap is dropped.
    package convenience init(
        connstring: String?, keys: SecureMessageKeys?, direction: Direction,
        deliver: @escaping @Sendable (ReaderEvent) -> Bool
    ) {
        self.init(
            connstring: connstring, keys: keys, direction: direction, selfTestMs: NFCReader.selfTestMs,
            settledMs: NFCReader.settledMs, deliver: deliver)
    }

    init(
        connstring: String?, keys: SecureMessageKeys?, direction: Direction, selfTestMs: Int64, settledMs: Int64,
        deliver: @escaping @Sendable (ReaderEvent) -> Bool
    ) {
        (self.connstring, self.keys, self.direction) = (connstring, keys, direction)
        (self.selfTestMs, self.settledMs, self.deliver) = (selfTestMs, settledMs, deliver)
        log = Log("reader", [.reader: "nfc:" + (connstring ?? "auto")])
        health = ReaderHealth(log: log, deliver: deliver)
        // libnfc changes the environment when it starts, so it starts while the program has few threads.
        NFCLibrary.start()
    }

    /// The service that runs the reader and its watchdog on new threads.
    package func service() -> Service {
        Service.thread("nfc-reader") { stop in
            let ended = StopSignal()
            defer { ended.stop() }
            NamedThread("nfc-watchdog") { self.watch(ended) }
            self.run(stop)
        }
    }

    func watch(_ ended: StopSignal) {
        while !ended.wait(ms: NFCReader.watchPauseMs) {
            health.resend()
            guard health.isStuck(nowMs: SystemClock.monotonicMs()) else { continue }
            health.lost(.notResponding)
            // The lock ensures that the reader's thread closes the device before it reopens the port.
            current.withLock { $0?.abort() }
        }
    }

    /// The behaviour of the reader since its last error.
    private struct Spell {
        /// It has polled at least once.
        var hasWorked = false
        /// It has worked for `settledMs`.
        var isSettled = false
        /// It failed soon after the last error, so it counts as working only when it is settled.
        var isDoubtful = false
    }

    func run(_ stop: StopSignal) {
        var backoff = Backoff()
        var spell = Spell()
        while !stop.isStopped {
            do { try session(stop, &spell) } catch {
                health.lost(ReaderProblem(error))
                // No back-off after a disconnect: the person who reconnects the reader waits for it.
                let isGone = connstring.flatMap(NFCReader.port).map { !Files.exists($0) } ?? false
                if spell.isSettled || isGone { backoff.reset() }
                let isWeak = spell.hasWorked ? !spell.isSettled : spell.isDoubtful
                spell = Spell(isDoubtful: isWeak && !isGone)
                stop.wait(ms: isGone ? NFCReader.goneMs : backoff.nextDelayMs())
            }
        }
    }

    /// Opens the reader and polls for tags until the stop. Reopens it for each self-test.
    ///
    /// - Throws: Any error of the reader.
    private func session(_ stop: StopSignal, _ spell: inout Spell) throws {
        let connstring = try self.connstring ?? NFCReader.onlyReader()
        let lock = try NFCReader.port(of: connstring).map { try PortLock($0) }
        // The lock outlives the device, so that no other process opens the port before it is closed. The device must be
        // closed when it is disconnected, or its port returns under another name.
        defer { withExtendedLifetime(lock) {} }
        var presence = TagPresence()
        while !stop.isStopped {
            let device = try opened(connstring)
            // The device is closed outside the mutex.
            defer { _ = current.withLock { $0.take() } }
            try poll(device, &presence, &spell, stop)
        }
    }

    private func opened(_ connstring: String) throws -> NFCDevice {
        let device = try health.watch(limitMs: NFCReader.openLimitMs) { try NFCDevice(connstring) }
        current.withLock { $0 = device }
        return device
    }

    /// Polls for tags. Returns when a self-test is due.
    ///
    /// A successful open proves little. Only a successful poll shows that the reader works, also after the watchdog has
    /// reported it.
    private func poll(
        _ device: NFCDevice, _ presence: inout TagPresence, _ spell: inout Spell, _ stop: StopSignal
    ) throws {
        let openedMs = SystemClock.monotonicMs()
        var lastSignMs = openedMs
        var disturbances = 0
        while !stop.isStopped {
            do {
                let now = SystemClock.monotonicMs()
                let tag = try health.watch(limitMs: NFCReader.callLimitMs) { try device.select() }
                disturbances = 0
                spell.hasWorked = true
                if now - openedMs >= settledMs { spell.isSettled = true }
                if spell.isSettled || !spell.isDoubtful { health.back() }
                let isNew = presence.polled(tag?.uid, nowMs: now)
                if presence.takeLostRead() { _ = deliver(.dropped(.chipLeft, count: 1)) }
                if let tag {
                    lastSignMs = now
                    if isNew { try read(tag, device, &presence) }
                    try health.watch(limitMs: NFCReader.callLimitMs) { try device.resetField() }
                } else if now - lastSignMs >= selfTestMs {
                    return
                }
            } catch let error as NFCError where error.isOfTag {
                disturbances += 1
                guard disturbances < NFCReader.disturbanceLimit else { throw error }
                try health.watch(limitMs: NFCReader.callLimitMs) { try device.resetField() }
            }
            stop.wait(ms: NFCReader.pollPauseMs)
        }
    }

    private func read(_ tag: NFCTag, _ device: NFCDevice, _ presence: inout TagPresence) throws {
        var message: [UInt8]?
        if keys != nil, tag.isISODEP {
            do { message = try ndef(device) } catch let error as NFCError where error.isOfTag {
                guard presence.readFailed(nowMs: SystemClock.monotonicMs()) else { return }
            }
        }
        let found = keys?.identify(uid: tag.uid, ndef: message) ?? SecureMessageKeys.identify(uid: tag.uid)
        presence.reported(nowMs: SystemClock.monotonicMs())
        _ = deliver(.tap(Tap(found.identity, proof: found.proof, direction: direction)))
    }

    /// Reads the NDEF message of the selected chip.
    ///
    /// - Returns: `nil` if it has none or it cannot be read in time.
    /// - Throws: `NFCError`.
    private func ndef(_ device: NFCDevice) throws -> [UInt8]? {
        let deadline = SystemClock.monotonicMs() + NFCReader.readLimitMs
        var reading = Type4Tag()
        var action = reading.begin()
        while true {
            switch action {
            case .message(let message): return message
            case .unsupported: return nil
            case .send(let command):
                guard SystemClock.monotonicMs() < deadline else { return nil }
                let answer = try health.watch(limitMs: NFCReader.callLimitMs) { try device.exchange(command) }
                action = reading.answered(answer)
            }
        }
    }

    /// - Throws: `ReaderError` if libnfc finds no reader, or more than one.
    private static func onlyReader() throws -> String {
        let found = try NFCLibrary.list()
        guard found.count < 2 else {
            throw ReaderError(.ambiguous(count: found.count, example: found[0]))
        }
        guard let only = found.first else { throw ReaderError(.notFound) }
        return only
    }

    /// Returns the port to lock for a connection string such as `pn532_uart:/dev/ttyUSB0:115200`.
    ///
    /// - Returns: `nil` for USB and PC/SC, where the system gives a reader to one program only.
    static func port(of connstring: String) -> String? {
        let parts = connstring.split(separator: ":")
        guard parts.count > 1, parts[1].hasPrefix("/") else { return nil }
        return String(parts[1])
    }
}

/// No reader could be chosen.
struct ReaderError: Error, Hashable, CustomStringConvertible, Sendable {
    let problem: ReaderProblem
    var description: String { problem.description }
    init(_ problem: ReaderProblem) { self.problem = problem }
}
