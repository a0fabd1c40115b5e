import LinuxSystem
import Runtime
import SerialPorts

/// One open relay board. Confined to one thread.
///
/// Boards that answer are asked every few seconds and compared with what they were told: a hung USB chip takes every byte and
/// does nothing, and relays fall when their supply fails for a moment. Boards of one channel never answer; they are told again
/// how they should stand, and of them only a pulled plug is noticed.
final class RelayBoard {
    private let port: SerialPort
    private let watchdog: TurnstileWatchdog
    private let log = Log("turnstile")
    private let channels: [Int]
    private let off: [UInt8]
    private let needed: Int
    /// Whether this board says how its relays stand.
    let answers: Bool
    /// What it does not do although it hears; nil: it obeys. No reason to give it up: its other relays work.
    private(set) var problem: String?

    private var portGuard: RelayFailSafe?
    private var nextGuardMs = Int64.min
    private var isGuardTold = false

    private var answered: [UInt8] = []
    /// What was pulled when the board was asked; nil: no answer is due.
    private var asked: Set<Int>?
    private var nextCheckMs: Int64
    private var missed = 0
    /// Answers in a row in which a channel stood as it was not told to.
    private var disobeyed: [Int: Int] = [:]

    /// The longest sleep of the thread that drives it.
    static let roundMs = 1_000
    /// A thread that is this much late with what it promised is taken for hung.
    static let patienceMs: Int64 = 500
    /// An answer takes about 60 ms at 9600 baud for 8 channels.
    static let answerMs = 400
    /// Silence after which an answer is over: a board may have more channels than are used.
    static let quietMs = 50
    static let checkEveryMs: Int64 = 5_000
    /// Questions without an answer after which a board that used to answer counts as hung, and answers after which a relay
    /// counts as one that does not obey.
    static let missedLimit = 2
    static let guardEveryMs: Int64 = 1_000
    private static let answerLimitBytes = 512

    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    /// Opens the port and switches all channels off.
    ///
    /// - Parameter mustAnswer: this board has answered before, so one that is silent now is hung, not one of the silent kind.
    /// Throws `SystemError` or `Problem`.
    init(_ settings: TurnstileSettings, _ watchdog: TurnstileWatchdog, mustAnswer: Bool = false) throws {
        port = try SerialPort(settings.path)
        channels = settings.channels.sorted()
        off = RelayFrames.allOff(channels)
        (self.watchdog, needed) = (watchdog, channels.last ?? 1)
        try port.write(off)
        portGuard = try RelayFailSafe(port, lastBytes: off)
        let states = try RelayBoard.ask(port, needed: needed)
        // Once more: the first may have been lost in a port that was just opened, and a board that took the question for the
        // begin of a frame is in step again after this.
        try port.write(off)
        guard !(states.isEmpty && mustAnswer) else { throw RelayBoard.isMute }
        guard states.isEmpty || states.count >= needed else {
            throw Problem(description: "the relay board has \(states.count) channels, channel \(needed) is used")
        }
        answers = !states.isEmpty
        nextCheckMs = SystemClock.monotonicMs() + (answers ? 0 : RelayBoard.checkEveryMs)
        // Last: a port that the watchdog knows of stays open, also when this throws.
        watchdog.watch(port, lastBytes: off)
    }

    private static let isMute = Problem(description: "the relay board does not answer")

    private static func ask(_ port: SerialPort, needed: Int) throws -> [Bool] {
        // Bytes that stood in the port belong to another program's question.
        _ = try port.read(timeoutMs: 0)
        try port.write(RelayFrames.question)
        var answer: [UInt8] = []
        let deadline = SystemClock.monotonicMs() + Int64(answerMs)
        while answer.count <= answerLimitBytes {
            let isWhole = RelayFrames.states(answer).count >= needed
            let left = Int(max(0, deadline - SystemClock.monotonicMs()))
            let more = try port.read(timeoutMs: isWhole ? min(left, quietMs) : left)
            if more.isEmpty && (isWhole || SystemClock.monotonicMs() >= deadline) { break }
            answer += more
        }
        return RelayFrames.states(answer)
    }

    /// All channels off, as far as the port still takes it.
    func close() {
        watchdog.watch(nil, lastBytes: [])
        try? port.write(off)
    }

    func set(_ channel: Int, _ isOn: Bool) throws { try port.write(RelayFrames.set(channel, isOn)) }

    /// Something is about to be on: it will be looked after, or the watchdog switches it off.
    func expectCare() {
        watchdog.expect(beforeMs: SystemClock.monotonicMs() + Int64(RelayBoard.roundMs) + RelayBoard.patienceMs)
    }

    func expectCare(of pulled: Set<Int>) {
        if pulled.isEmpty { watchdog.expect(beforeMs: nil) } else { expectCare() }
    }

    /// Whether the watchdog has switched all off meanwhile. Then all is off when this returns, also what was switched on by a
    /// thread that had not heard of it.
    func wasSwitchedOff() throws -> Bool {
        guard watchdog.hasFired() else { return false }
        try port.write(off)
        asked = nil
        return true
    }

    /// Sleeps until one of the descriptors or the board has something, and takes what the board says. Throws `SystemError`
    /// when it is gone.
    func wait(_ descriptors: [Int32], timeoutMs: Int) throws {
        let limit = min(Int64(timeoutMs), max(0, nextCheckMs - SystemClock.monotonicMs()))
        guard Poll.wait([port.descriptor] + descriptors, timeoutMs: Int(limit))[0] else { return }
        answered += try port.read(timeoutMs: 0)
        if answered.count > RelayBoard.answerLimitBytes { answered.removeFirst(answered.count / 2) }
    }

    /// Sees to it that the relays stand as they should, and that the guard lives. Throws `Problem` when a board that answers no
    /// longer does.
    func check(expected pulled: Set<Int>) throws {
        renewGuard()
        let now = SystemClock.monotonicMs()
        guard now >= nextCheckMs else { return }
        guard answers else {
            // What it stands at already moves nothing.
            try port.write(channels.flatMap { RelayFrames.set($0, pulled.contains($0)) })
            nextCheckMs = now + RelayBoard.checkEveryMs
            return
        }
        guard let asked else {
            (asked, answered) = (pulled, [])
            try port.write(RelayFrames.question)
            nextCheckMs = now + Int64(RelayBoard.answerMs)
            return
        }
        self.asked = nil
        // This thread may have slept since the answer came.
        answered += try port.read(timeoutMs: 0)
        let states = RelayFrames.states(answered)
        guard states.count >= needed else {
            missed += 1
            guard missed < RelayBoard.missedLimit else { throw RelayBoard.isMute }
            nextCheckMs = now
            return
        }
        missed = 0
        // A board obeys and answers in turn, so its answer is of the moment of the question.
        let wrong = channels.filter { states[$0 - 1] != asked.contains($0) }
        try tellAgain(wrong, asked: asked, pulled: pulled)
        nextCheckMs = now + (wrong.isEmpty || problem != nil ? RelayBoard.checkEveryMs : 0)
    }

    /// Tells channels again how they should stand by now, and finds the one that has not obeyed for too long.
    private func tellAgain(_ wrong: [Int], asked: Set<Int>, pulled: Set<Int>) throws {
        for channel in wrong { try set(channel, pulled.contains(channel)) }
        disobeyed = Dictionary(uniqueKeysWithValues: wrong.map { ($0, disobeyed[$0, default: 0] + 1) })
        let worst = wrong.first { disobeyed[$0, default: 0] >= RelayBoard.missedLimit }
        problem = worst.map { "relay \($0) does not switch \(asked.contains($0) ? "on" : "off")" }
    }

    /// The guard is a process like any other: one that was killed is replaced, or nothing switches off when this one dies.
    private func renewGuard() {
        if portGuard?.isAlive() == true { return }
        let now = SystemClock.monotonicMs()
        guard now >= nextGuardMs else { return }
        nextGuardMs = now + RelayBoard.guardEveryMs
        do {
            portGuard = nil
            portGuard = try RelayFailSafe(port, lastBytes: off)
            if !isGuardTold { log.error("the process that guards the port was gone: started again") }
        } catch {
            if !isGuardTold { log.error("the port has no guard", [.error: "\(error)"]) }
        }
        isGuardTold = true
    }
}
