import FileSystem
import LinuxSystem
import NFC
package import Runtime
package import ScanModel
import SerialPorts
import Synchronization

/// An NFC reader that feeds a lane: opened through libnfc on a thread of its own, opened again for as long as it takes when it
/// is pulled out, falls silent or forgets what it is, and told as one tap for each tag that comes.
///
/// A chip that sends a secure unique message is asked for it where there are keys. One that leaves while it is read is not told:
/// its holder will hold it there again.
package final class NFCReader: Sendable {
    /// Pause between two looks for a tag, ms. A look takes some 20 ms with a real PN532.
    static let lookPauseMs = 20
    /// How long a reader may see nothing before it is opened anew, ms: one whose supply dipped answers everything and finds no
    /// tag ever after, and only opening sets it up whole. A tap meanwhile waits some 0.2 s.
    static let selfTestMs: Int64 = 10_000
    /// A reader that has looked for tags without trouble for so long works, ms. One that failed sooner is tried less and less
    /// often, and is not said to be back before: a supply that every tag pulls down would make the lane flicker. Tags that it
    /// reads meanwhile are told all the same.
    static let settledMs: Int64 = 2_000
    /// Between two looks whether a port that is gone has come back, ms.
    static let goneMs = 200
    /// Limits of one call into libnfc, ms, after which the watchdog acts: well above the library's own.
    static let callLimitMs: Int64 = 2_000
    static let openLimitMs: Int64 = 5_000
    static let watchPauseMs = 250
    /// Longest conversation with one chip, ms: seven exchanges of some 30 ms are usual, and nobody holds a band there for longer.
    static let readLimitMs: Int64 = 1_000
    /// Radio errors one after another, without a tag or a clean look between them, after which the reader is opened anew.
    static let disturbanceLimit = 50

    private let connstring: String?
    private let keys: SecureMessageKeys?
    private let direction: Direction
    private let selfTestMs, settledMs: Int64
    private let deliver: @Sendable (ReaderEvent) -> Bool
    private let log: Log
    let health: ReaderHealth
    /// What the watchdog aborts.
    private let current = Mutex<NFCDevice?>(nil)

    /// - Parameters:
    ///   - connstring: for libnfc; nil: the only reader that it finds.
    ///   - keys: nil: every chip is known by its UID only.
    ///   - deliver: takes what happens, from two threads, in order; must not wait. False: it could not. `lost` and `back` then
    ///     come again, a tap does not.
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
        // Here, where the program has few threads yet: libnfc writes the environment when it starts.
        NFCLibrary.start()
    }

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
            health.tellAgain()
            guard health.isStuck(nowMs: SystemClock.monotonicMs()) else { continue }
            health.lost(.notResponding)
            // Under the lock, so that it is the reader's own thread that closes the device, before it opens the port again.
            current.withLock { $0?.abort() }
        }
    }

    /// How the reader has worked since it was last in trouble.
    private struct Spell {
        /// It has looked for a tag.
        var hasWorked = false
        /// It has worked for `settledMs`.
        var isSettled = false
        /// It did not stay well after the last trouble: only settled it counts as working.
        var isDoubtful = false
    }

    func run(_ stop: StopSignal) {
        var backoff = Backoff()
        var spell = Spell()
        while !stop.isStopped {
            do { try session(stop, &spell) } catch {
                health.lost(ReaderProblem(error))
                // Pulled out is no sign of weakness, and whoever plugs it in stands there and waits.
                let isGone = connstring.flatMap(NFCReader.port).map { !Files.exists($0) } ?? false
                if spell.isSettled || isGone { backoff.reset() }
                let isWeak = spell.hasWorked ? !spell.isSettled : spell.isDoubtful
                spell = Spell(isDoubtful: isWeak && !isGone)
                stop.wait(ms: isGone ? NFCReader.goneMs : backoff.nextDelayMs())
            }
        }
    }

    /// Opens the reader and looks for tags until it is time for a self-test, or to stop. Throws when the reader is in trouble.
    private func session(_ stop: StopSignal, _ spell: inout Spell) throws {
        let connstring = try self.connstring ?? NFCReader.onlyReader()
        let lock = try NFCReader.port(of: connstring).map { try PortLock($0) }
        // The port's own file is closed with the device, before others may have it; and a port that is held open while it
        // is gone comes back under another name.
        defer { withExtendedLifetime(lock) {} }
        var presence = TagPresence()
        while !stop.isStopped {
            let device = try opened(connstring)
            // Closed after the lock is given back.
            defer { _ = current.withLock { $0.take() } }
            try look(device, &presence, &spell, stop)
        }
    }

    private func opened(_ connstring: String) throws -> NFCDevice {
        let device = try health.watch(limitMs: NFCReader.openLimitMs) { try NFCDevice(connstring) }
        current.withLock { $0 = device }
        return device
    }

    /// Returns when the reader has seen nothing for so long that it must be doubted.
    ///
    /// That it could be opened says little: only a look that ends well shows that it works, also after the watchdog gave it up.
    private func look(
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
                let isNew = presence.saw(tag?.uid, nowMs: now)
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
            stop.wait(ms: NFCReader.lookPauseMs)
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
        presence.told(nowMs: SystemClock.monotonicMs())
        _ = deliver(.tap(Tap(found.identity, proof: found.proof, direction: direction)))
    }

    /// The NDEF message of the selected chip; nil when it has none that can be read in time. Throws `NFCError`.
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

    /// Throws `ReaderError` when there is none, or more than one.
    private static func onlyReader() throws -> String {
        let found = try NFCLibrary.list()
        guard found.count < 2 else {
            throw ReaderError(.ambiguous(count: found.count, example: found[0]))
        }
        guard let only = found.first else { throw ReaderError(.notFound) }
        return only
    }

    /// The port that a connection string names (`pn532_uart:/dev/ttyUSB0:115200`), to be locked; nil for USB and PC/SC, where the
    /// system gives a reader to one program only.
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
