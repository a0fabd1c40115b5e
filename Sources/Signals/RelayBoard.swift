internal import Runtime
internal import Serial

/// One open relay board. Confined to one thread.
///
/// Boards that answer are asked every few seconds: a hung USB chip takes every byte and does nothing. Boards of one channel
/// never answer, so of them only a pulled plug is noticed.
final class RelayBoard {
    private let port: SerialPort
    private let portGuard: PortGuard
    private let watchdog: DeadMansSwitch
    private let off: [UInt8]
    private var answered: [UInt8] = []
    private var askedMs: Int64?
    private var nextQuestionMs = Int64.max
    private let needed: Int
    private var missed = 0

    /// The longest sleep of the thread that drives it.
    static let roundMs = 1_000
    /// A thread that is this much late with what it promised is taken for hung.
    static let patienceMs: Int64 = 500
    /// An answer takes about 60 ms at 9600 baud for 8 channels.
    static let answerMs = 400
    static let questionEveryMs: Int64 = 5_000
    /// Questions without an answer after which a board that used to answer counts as hung.
    static let missedLimit = 2

    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    /// Opens the port and switches all channels off. Throws `SystemError` or `Problem`.
    init(_ settings: TurnstileSettings, _ watchdog: DeadMansSwitch) throws {
        port = try SerialPort(settings.path)
        off = RelayFrames.allOff(settings.channels.sorted())
        (self.watchdog, needed) = (watchdog, settings.channels.max() ?? 1)
        try port.write(off)
        portGuard = try PortGuard(port, lastBytes: off)
        watchdog.watch(port, lastBytes: off)
        // Bytes that stood in the port belong to another program's question.
        _ = try port.read(timeoutMs: 0)
        try port.write(RelayFrames.question)
        let deadline = SystemClock.monotonicMs() + Int64(RelayBoard.answerMs)
        while RelayFrames.states(answered).count < needed || !isComplete {
            let left = deadline - SystemClock.monotonicMs()
            guard left > 0 else { break }
            answered += try port.read(timeoutMs: Int(left))
            guard answered.count <= RelayBoard.answerLimitBytes else { break }
        }
        // Once more: a board that took the question for the begin of a frame is in step again after this.
        try port.write(off)
        let states = RelayFrames.states(answered)
        guard states.isEmpty || states.count >= needed else {
            throw Problem(description: "the relay board has \(states.count) channels, channel \(needed) is used")
        }
        guard !states.contains(true) || states.count > needed else {
            // The first off may have been lost in a port that was just opened; the second is not.
            answered = []
            nextQuestionMs = SystemClock.monotonicMs()
            return
        }
        if !states.isEmpty { nextQuestionMs = SystemClock.monotonicMs() + RelayBoard.questionEveryMs }
        answered = []
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

    /// Sleeps until one of the descriptors or the board has something, and takes what the board says. Throws `SystemError`
    /// when it is gone.
    func wait(_ descriptors: [Int32], timeoutMs: Int) throws {
        var limit = Int64(timeoutMs)
        if nextQuestionMs < .max { limit = min(limit, max(0, nextQuestionMs - SystemClock.monotonicMs())) }
        guard Poll.wait([port.descriptor] + descriptors, timeoutMs: Int(limit))[0] else { return }
        answered += try port.read(timeoutMs: 0)
        if answered.count > RelayBoard.answerLimitBytes { answered.removeFirst(answered.count / 2) }
    }

    /// Asks a board that answers how it stands, and compares. Throws `Problem` when it no longer answers or does not obey.
    func check(expected pulled: Set<Int>) throws {
        let now = SystemClock.monotonicMs()
        guard now >= nextQuestionMs else { return }
        if askedMs != nil {
            let states = RelayFrames.states(answered)
            missed = states.isEmpty ? missed + 1 : 0
            guard missed < RelayBoard.missedLimit else { throw Problem(description: "the relay board does not answer") }
            (askedMs, answered) = (nil, [])
            nextQuestionMs = now + (missed > 0 ? 0 : RelayBoard.questionEveryMs)
            // Only what ought to be off is compared: that it stays pulled is the danger.
            let stuck = states.indices.filter { states[$0] && $0 < needed && !pulled.contains($0 + 1) }
            if !stuck.isEmpty && pulled.isEmpty {
                try port.write(off)
                nextQuestionMs = now
                missed = 1
            }
            return
        }
        (askedMs, answered) = (now, [])
        try port.write(RelayFrames.question)
        nextQuestionMs = now + Int64(RelayBoard.answerMs)
    }

    private var isComplete: Bool { answered.last == 10 || answered.allSatisfy { $0 <= 1 } }
    private static let answerLimitBytes = 512
}
