import AccessControl
import DeviceEmulation
import GateController
import Glibc
import LinuxSystem
import Runtime
import SerialPorts
import TestSupport
import Testing

@testable import TurnstileControl

/// Relays that do not match their commands, and the process and thread that switch them off.
@Suite struct RelayStateTests {
    private static func start(
        _ board: RelayBoardEmulator, _ reports: Reports, _ more: String = ""
    ) throws -> (Turnstile, RunningService) {
        let settings = try #require(try TurnstileSettings.parse("serial:\(board.path)\(more)"))
        let turnstile = Turnstile(settings, report: reports.take)
        let running = RunningService(turnstile.service())
        try eventually("the board is open", everyMs: 5) { reports.turnstile.last == .some(nil) }
        return (turnstile, running)
    }

    private static func state(_ mode: LaneMode) -> LaneUpdate {
        var state = LaneState()
        state.mode = mode
        return .state(state)
    }

    /// Boards that report their state, and boards that do not.
    @Test(arguments: RelayBoardEmulator.Reply.allCases)
    func holdContinuesAfterABrownOut(reply: RelayBoardEmulator.Reply) throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 4, reply: reply), Reports())
        let (turnstile, running) = try Self.start(board, reports, ",open=2,green=3")
        turnstile.receive(Self.state(.free))
        try eventually("held") { board.states == [false, true, true, false] }
        for _ in 1...2 {
            board.brownOut()
            try eventually("held again") { board.states == [false, true, true, false] }
        }
        turnstile.receive(Self.state(.normal))
        try eventually("released") { board.states == [false, false, false, false] }
        try running.end()
        #expect(reports.turnstile == [nil], "a fault that was corrected at once is not reported")
        #expect(board.changes.count == 12, "a relay chattered")
    }

    /// The close command is lost.
    @Test func offCommandsAreRepeatedToASilentBoard() throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 1), Reports())
        let (turnstile, running) = try Self.start(board, reports, ",pulse=1000")
        turnstile.receive(.verdict(result(opens: true)))
        try eventually("open", everyMs: 1) { board.isOn(1) }
        board.jammed = [1]
        let before = board.commands
        try eventually("the command is repeated", everyMs: 5) { board.commands > before + 1 }
        #expect(board.isOn(1))
        board.jammed = []
        try eventually("closed") { !board.isOn(1) }
        try running.end()
    }

    @Test func stuckRelayIsReportedAndOthersWork() throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        let (turnstile, running) = try Self.start(board, reports, ",green=2")
        // Stuck while another relay is on, and while people pass.
        turnstile.receive(.verdict(result(opens: true)))
        try eventually("open", everyMs: 1) { board.isOn(1) }
        board.jammed = [1]
        try eventually("reported") { reports.turnstile == [nil, .relayStuck(channel: 1, isOn: false)] }
        turnstile.receive(.verdict(result(opens: true)))
        try eventually("the green light works", everyMs: 5) { board.isOn(2) }
        board.jammed = []
        try eventually("healed") { reports.turnstile.count == 3 && !board.isOn(1) }
        #expect(reports.turnstile.last == .some(nil))
        try running.end()
    }

    @Test func relayStuckFromTheStartIsReported() throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 8, reply: .bytes), Reports())
        try SerialPort(board.path).write(RelayFrames.set(1, true))
        try eventually("on") { board.isOn(1) }
        board.jammed = [1]
        let (_, running) = try Self.start(board, reports)
        try eventually("reported") { reports.turnstile == [nil, .relayStuck(channel: 1, isOn: false)] }
        try running.end()
    }

    @Test func holdThatDoesNotSwitchIsReported() throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        let (turnstile, running) = try Self.start(board, reports)
        board.jammed = [1]
        turnstile.receive(Self.state(.free))
        try eventually("reported") { reports.turnstile == [nil, .relayStuck(channel: 1, isOn: true)] }
        board.jammed = []
        try eventually("held") { board.isOn(1) && reports.turnstile.last == .some(nil) }
        try running.end()
    }

    /// The watchdog fires after a process was stopped and continued. The hold must not end.
    @Test func holdContinuesAfterTheWatchdogHasFired() throws {
        let board = try RelayBoardEmulator(channels: 1)
        let settings = try #require(try TurnstileSettings.parse("serial:\(board.path)"))
        let (watchdog, stop) = (TurnstileWatchdog(), StopSignal())
        let reports = Reports()
        let turnstile = Turnstile(settings, report: reports.take)
        let thread = NamedThread("test-turnstile") { turnstile.run(watchdog, until: stop) }
        turnstile.receive(Self.state(.free))
        try eventually("held", everyMs: 5) { board.isOn(1) }
        for round in 1...3 {
            #expect(watchdog.check(nowMs: SystemClock.monotonicMs() + 60_000))
            try eventually("held again", everyMs: 5) { board.isOn(1) && board.changes.count == 1 + 2 * round }
        }
        // An interrupted pulse is not repeated.
        turnstile.receive(Self.state(.normal))
        try eventually("released", everyMs: 5) { !board.isOn(1) }
        stop.stop()
        _ = thread
    }

    /// The driving thread switches a relay on after the watchdog has fired, and before it notices that.
    @Test func relaySwitchedOnAfterTheWatchdogIsSwitchedOff() throws {
        let board = try RelayBoardEmulator(channels: 1)
        let settings = try #require(try TurnstileSettings.parse("serial:\(board.path)"))
        let watchdog = TurnstileWatchdog()
        let relays = try RelayBoard(settings, watchdog)
        relays.startDeadline()
        #expect(watchdog.check(nowMs: SystemClock.monotonicMs() + 60_000))
        try relays.set(1, true)
        try eventually("on") { board.isOn(1) }
        #expect(try relays.wasSwitchedOff())
        try eventually("off") { !board.isOn(1) }
        #expect(try !relays.wasSwitchedOff())
        relays.close()
    }

    @Test func killedFailSafeProcessIsReplaced() throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        let (turnstile, running) = try Self.start(board, reports)
        turnstile.receive(Self.state(.free))
        try eventually("held") { board.isOn(1) }
        var last: pid_t?
        for _ in 1...2 {
            var failSafe: pid_t?
            try eventually("a fail-safe process in a session apart") {
                failSafe = Self.failSafes(of: board.path).first
                return failSafe != nil && failSafe != last
            }
            let pid = try #require(failSafe)
            #expect(getsid(pid) == pid && getpgid(pid) == pid)
            kill(pid, SIGKILL)
            last = pid
        }
        try eventually("another", everyMs: 5) { Self.failSafes(of: board.path).contains { $0 != last } }
        #expect(board.isOn(1), "the end of the fail-safe process moved the turnstile")
        try running.end()
        try eventually("no fail-safe process is left") { Self.failSafes(of: board.path).isEmpty }
    }

    /// The processes whose standard output is the port.
    private static func failSafes(of path: String) -> [pid_t] {
        guard let port = realpath(path, nil) else { return [] }
        defer { free(port) }
        guard let folder = opendir("/proc") else { return [] }
        defer { closedir(folder) }
        var found: [pid_t] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            var target = [CChar](repeating: 0, count: 256)
            guard let pid = pid_t(name), readlink("/proc/\(name)/fd/1", &target, 255) > 0 else { continue }
            if strcmp(target, port) == 0 { found.append(pid) }
        }
        return found
    }
}
