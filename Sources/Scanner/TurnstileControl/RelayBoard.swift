import GateController
import LinuxSystem
import Runtime
import SerialPorts

/// An open relay board. Confined to one thread.
///
/// Boards that report their state are queried every 5 s. This detects a hung USB chip, which accepts bytes and does
/// nothing, and relays released by a supply drop. Boards of one channel never report their state: their commands are
/// repeated, and only a disconnect is detected.
///
/// A relay is switched off in four places:
///
/// | Cause | Place |
/// |---|---|
/// | End of a pulse, or of mode free | `TurnstilePlan` plans the step, `Turnstile` sends it by `set` |
/// | Open or close of the port | `init` and `close` of this class |
/// | The driving thread hangs | `TurnstileWatchdog`, on another thread |
/// | The process dies, even by SIGKILL | `RelayFailSafe` in `SerialPorts`, a child process |
final class RelayBoard {
    private let port: SerialPort
    private let watchdog: TurnstileWatchdog
    private let log = Log("turnstile")
    private let channels: [Int]
    /// The commands that switch all used channels off.
    private let allOff: [UInt8]
    private let channelCount: Int
    /// Whether this board reports the state of its relays.
    let reportsState: Bool
    /// A relay that does not switch; `nil` if all do. The board stays in use, because its other relays work.
    private(set) var problem: TurnstileProblem?

    private var failSafe: RelayFailSafe?
    private var nextFailSafeMs = Int64.min
    private var isFailSafeReported = false

    private var received: [UInt8] = []
    /// The channels that were on when the state was requested; `nil` if no answer is pending.
    private var requested: Set<Int>?
    private var nextCheckMs: Int64
    /// Number of requests in a row without an answer.
    private var missed = 0
    /// Number of answers in a row in which a channel did not match its command.
    private var mismatches: [Int: Int] = [:]

    /// Maximum sleep of the thread that drives the board, in milliseconds.
    static let roundMs = 1_000
    /// Delay after which the thread that drives the board is considered hung, in milliseconds.
    static let toleranceMs: Int64 = 500
    /// Time for an answer, in milliseconds. 8 channels take about 60 ms at 9,600 baud.
    static let answerMs = 400
    /// Silence that ends an answer, in milliseconds: a board may have more channels than are used.
    static let quietMs = 50
    /// Interval between two checks, in milliseconds.
    static let checkEveryMs: Int64 = 5_000
    /// Number of missed answers after which the board counts as hung. After as many mismatches a relay counts as stuck.
    static let missedLimit = 2
    /// Interval between two attempts to start the fail-safe process, in milliseconds.
    static let failSafeRetryMs: Int64 = 1_000
    private static let answerLimitBytes = 512

    /// Opens the port and switches all channels off.
    ///
    /// - Parameter mustReportState: `true` if this board has reported its state before: then silence means that it
    ///   hangs.
    /// - Throws: `SystemError` or `TurnstileProblem`.
    init(_ settings: TurnstileSettings, _ watchdog: TurnstileWatchdog, mustReportState: Bool = false) throws {
        port = try SerialPort(settings.path)
        channels = settings.channels.sorted()
        allOff = RelayFrames.allOff(channels)
        channelCount = channels.last ?? 1
        self.watchdog = watchdog
        try port.write(allOff)
        failSafe = try RelayFailSafe(port, lastBytes: allOff)
        let states = try RelayBoard.requestState(port, channelCount: channelCount)
        // Repeated, because a port that was just opened may lose the first commands. A board that took the request for
        // the start of a frame is synchronised again after this.
        try port.write(allOff)
        guard !(states.isEmpty && mustReportState) else { throw TurnstileProblem.boardNotResponding }
        guard states.isEmpty || states.count >= channelCount else {
            throw TurnstileProblem.tooFewChannels(count: states.count, used: channelCount)
        }
        reportsState = !states.isEmpty
        nextCheckMs = SystemClock.monotonicMs() + (reportsState ? 0 : RelayBoard.checkEveryMs)
        // Last, because the watchdog keeps its port open, also if this initializer throws.
        watchdog.watch(port, lastBytes: allOff)
    }

    private static func requestState(_ port: SerialPort, channelCount: Int) throws -> [Bool] {
        // Discard the answer to another program's request.
        _ = try port.read(timeoutMs: 0)
        try port.write(RelayFrames.stateRequest)
        var answer: [UInt8] = []
        let deadline = SystemClock.monotonicMs() + Int64(answerMs)
        while answer.count <= answerLimitBytes {
            let isWhole = RelayFrames.states(answer).count >= channelCount
            let left = Int(max(0, deadline - SystemClock.monotonicMs()))
            let more = try port.read(timeoutMs: isWhole ? min(left, quietMs) : left)
            if more.isEmpty && (isWhole || SystemClock.monotonicMs() >= deadline) { break }
            answer += more
        }
        return RelayFrames.states(answer)
    }

    /// Switches all channels off, if the port still works.
    func close() {
        watchdog.watch(nil, lastBytes: [])
        try? port.write(allOff)
    }

    func set(_ channel: Int, _ isOn: Bool) throws { try port.write(RelayFrames.set(channel, isOn)) }

    /// Starts the watchdog's deadline before a relay is switched on.
    func startDeadline() {
        watchdog.expect(beforeMs: SystemClock.monotonicMs() + Int64(RelayBoard.roundMs) + RelayBoard.toleranceMs)
    }

    /// Renews the watchdog's deadline while a relay is on; otherwise ends it.
    func renewDeadline(energized: Set<Int>) {
        if energized.isEmpty { watchdog.expect(beforeMs: nil) } else { startDeadline() }
    }

    /// Whether the watchdog has switched all relays off since the last call.
    ///
    /// Switches them off once more, because this thread may have switched one on after the watchdog.
    func wasSwitchedOff() throws -> Bool {
        guard watchdog.hasFired() else { return false }
        try port.write(allOff)
        requested = nil
        return true
    }

    /// Waits for one of the descriptors or for bytes of the board, and buffers these.
    ///
    /// - Throws: `SystemError` if the board is disconnected.
    func wait(_ descriptors: [Int32], timeoutMs: Int) throws {
        let limit = min(Int64(timeoutMs), max(0, nextCheckMs - SystemClock.monotonicMs()))
        guard Poll.wait([port.descriptor] + descriptors, timeoutMs: Int(limit))[0] else { return }
        received += try port.read(timeoutMs: 0)
        if received.count > RelayBoard.answerLimitBytes { received.removeFirst(received.count / 2) }
    }

    /// Checks that the relays match their commands and that the fail-safe process lives.
    ///
    /// - Parameter energized: the channels that should be on.
    /// - Throws: `TurnstileProblem` if a board that reports its state no longer does; `SystemError` if it is
    ///   disconnected.
    func check(energized: Set<Int>) throws {
        renewFailSafe()
        let now = SystemClock.monotonicMs()
        guard now >= nextCheckMs else { return }
        guard reportsState else {
            // A relay that matches its command does not move.
            try port.write(channels.flatMap { RelayFrames.set($0, energized.contains($0)) })
            nextCheckMs = now + RelayBoard.checkEveryMs
            return
        }
        guard let requested else {
            self.requested = energized
            received = []
            try port.write(RelayFrames.stateRequest)
            nextCheckMs = now + Int64(RelayBoard.answerMs)
            return
        }
        self.requested = nil
        // The answer may have arrived while this thread slept.
        received += try port.read(timeoutMs: 0)
        let states = RelayFrames.states(received)
        guard states.count >= channelCount else {
            missed += 1
            guard missed < RelayBoard.missedLimit else { throw TurnstileProblem.boardNotResponding }
            nextCheckMs = now
            return
        }
        missed = 0
        // A board handles commands in their order, so its answer is the state at the request.
        let wrong = channels.filter { states[$0 - 1] != requested.contains($0) }
        try repeatCommands(wrong, requested: requested, energized: energized)
        nextCheckMs = now + (wrong.isEmpty || problem != nil ? RelayBoard.checkEveryMs : 0)
    }

    /// Repeats the present commands of mismatched channels, and finds a channel that has not switched for too long.
    private func repeatCommands(_ wrong: [Int], requested: Set<Int>, energized: Set<Int>) throws {
        for channel in wrong { try set(channel, energized.contains(channel)) }
        mismatches = Dictionary(uniqueKeysWithValues: wrong.map { ($0, mismatches[$0, default: 0] + 1) })
        let worst = wrong.first { mismatches[$0, default: 0] >= RelayBoard.missedLimit }
        problem = worst.map { .relayStuck(channel: $0, isOn: requested.contains($0)) }
    }

    /// Restarts the fail-safe process if it was killed. Without it, relays stay on when this process is killed.
    private func renewFailSafe() {
        if failSafe?.isAlive() == true { return }
        let now = SystemClock.monotonicMs()
        guard now >= nextFailSafeMs else { return }
        nextFailSafeMs = now + RelayBoard.failSafeRetryMs
        do {
            failSafe = nil
            failSafe = try RelayFailSafe(port, lastBytes: allOff)
            if !isFailSafeReported { log.error("relay fail-safe process exited, restarted") }
        } catch {
            if !isFailSafeReported { log.error("relay fail-safe process not started", [.error: "\(error)"]) }
        }
        isFailSafeReported = true
    }
}
