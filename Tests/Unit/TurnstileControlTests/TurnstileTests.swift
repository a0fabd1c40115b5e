import DeviceEmulation
import FileSystem
import GateController
import Glibc
import Runtime
import ScanModel
import SerialPorts
import TestSupport
import Testing

@testable import AccessControl
@testable import TurnstileControl

/// The turnstile with emulated boards on a pseudo-terminal, through the real serial port.
@Suite struct TurnstileTests {
    private static func start(
        _ board: RelayBoardEmulator, _ more: String = "", _ reports: Reports
    ) throws -> (Turnstile, RunningService) {
        let settings = try #require(try TurnstileSettings.parse("serial:\(board.path)\(more)"))
        let turnstile = Turnstile(settings, report: reports.take)
        let running = RunningService(turnstile.service())
        try eventually("the board is open", everyMs: 5) { reports.turnstile.last == .some(nil) }
        return (turnstile, running)
    }

    @Test(arguments: [1, 2, 4, 8], RelayBoardEmulator.Reply.allCases)
    func opensForOneTapAndCloses(channels: Int, reply: RelayBoardEmulator.Reply) throws {
        let (board, reports) = (try RelayBoardEmulator(channels: channels, reply: reply), Reports())
        let (turnstile, running) = try Self.start(board, ",open=\(channels),pulse=200", reports)
        turnstile.receive(.verdict(result(.unknownTag)))
        turnstile.receive(.verdict(result(opens: false)))
        turnstile.receive(.verdict(result(opens: true)))
        try eventually("one pulse", everyMs: 5) { board.changes.count == 2 }
        let changes = board.changes
        #expect(changes.map(\.channel) == [channels, channels] && changes.map(\.isOn) == [true, false])
        try running.end()
        #expect(board.changes.count == 2 && board.badFrames == 0)
        #expect(reports.turnstile == [nil])
    }

    @Test func stopEndsAPulse() throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 4), Reports())
        let (turnstile, running) = try Self.start(board, ",green=2,pulse=1000", reports)
        turnstile.receive(.verdict(result(opens: true)))
        try eventually("open", everyMs: 5) { board.isOn(1) && board.isOn(2) }
        try running.end()
        try eventually("off") { board.states == [false, false, false, false] }
    }

    @Test func startSwitchesAllRelaysOff() throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        try SerialPort(board.path).write(RelayFrames.set(1, true))
        try eventually("on") { board.isOn(1) }
        let (_, running) = try Self.start(board, reports)
        try eventually("off at the start") { !board.isOn(1) }
        try running.end()
    }

    private static func start(_ board: RelayBoardEmulator, _ reports: Reports) throws -> (Turnstile, RunningService) {
        try start(board, "", reports)
    }

    @Test func reconnectedBoardRepeatsNoPulse() throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 1), Reports())
        let (turnstile, running) = try Self.start(board, reports)
        for round in 1...5 {
            board.unplug()
            try eventually("reported", everyMs: 5) { reports.turnstile.count == 2 * round }
            let before = board.changes.count
            turnstile.receive(.verdict(result(opens: true)))
            try board.plug()
            try eventually("healed", everyMs: 5) { reports.turnstile.count == 2 * round + 1 }
            #expect(reports.turnstile.last == .some(nil))
            #expect(board.changes.count == before, "a tap before the reconnection moved the turnstile")
            turnstile.receive(.verdict(result(opens: true)))
            try eventually("a new tap opens", everyMs: 5) { board.changes.count == before + 2 }
        }
        try running.end()
    }

    @Test func freeModeHoldsAfterAReconnection() throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        let (turnstile, running) = try Self.start(board, ",green=2", reports)
        var state = LaneState()
        state.mode = .free
        turnstile.receive(.state(state))
        try eventually("held") { board.states == [true, true] }
        board.unplug()
        try eventually("reported") { reports.turnstile.count == 2 }
        try board.plug()
        try eventually("held again") { board.states == [true, true] }
        state.mode = .closed
        turnstile.receive(.state(state))
        try eventually("released") { board.states == [false, false] }
        try running.end()
    }

    @Test func boardWithTooFewChannelsIsReported() throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        let settings = try #require(try TurnstileSettings.parse("serial:\(board.path),green=4"))
        let running = RunningService(Turnstile(settings, report: reports.take).service())
        try eventually("reported") { reports.turnstile.first == .tooFewChannels(count: 2, used: 4) }
        // Further attempts find the same problem, so it is reported once.
        let before = board.commands
        try eventually("tried again") { board.commands >= before + 8 }
        #expect(reports.turnstile.count == 1)
        try running.end()
    }

    @Test func hungBoardIsReportedUntilItAnswers() throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        let (_, running) = try Self.start(board, reports)
        board.isStuck = true
        try eventually("reported", everyMs: 5) { reports.turnstile.last == .boardNotResponding }
        board.isStuck = false
        try eventually("healed") { reports.turnstile.last == .some(nil) }
        #expect(reports.turnstile == [nil, .boardNotResponding, nil])
        try running.end()
    }

    /// A hung board accepts bytes. It must not be taken for a board that never reports its state.
    @Test func hungBoardIsNotTakenForASilentOne() throws {
        let board = try RelayBoardEmulator(channels: 2)
        let settings = try #require(try TurnstileSettings.parse("serial:\(board.path)"))
        board.isStuck = true
        for _ in 1...2 {
            #expect(throws: TurnstileProblem.boardNotResponding) {
                try RelayBoard(settings, TurnstileWatchdog(), mustReportState: true)
            }
        }
        board.isStuck = false
        #expect(try RelayBoard(settings, TurnstileWatchdog(), mustReportState: true).reportsState)
    }

    @Test func replacementBoardMayBeSilent() throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        let (_, running) = try Self.start(board, reports)
        board.unplug()
        try eventually("reported") { reports.turnstile.count == 2 }
        board.isStuck = true
        try board.plug()
        try eventually("taken") { reports.turnstile.last == .some(nil) }
        try running.end()
    }

    @Test func watchdogSwitchesOffAfterItsDeadline() throws {
        let board = try RelayBoardEmulator(channels: 1)
        let port = try SerialPort(board.path)
        let watchdog = TurnstileWatchdog()
        watchdog.watch(port, lastBytes: RelayFrames.allOff([1]))
        watchdog.expect(beforeMs: 1_000)
        try port.write(RelayFrames.set(1, true))
        try eventually("on") { board.isOn(1) }
        #expect(!watchdog.check(nowMs: 999))
        #expect(board.isOn(1) && !watchdog.hasFired())
        #expect(watchdog.check(nowMs: 1_000))
        try eventually("off") { !board.isOn(1) }
        #expect(watchdog.hasFired())
        #expect(!watchdog.hasFired(), "reported once")
        #expect(!watchdog.check(nowMs: 1_999) && watchdog.check(nowMs: 2_000))
        watchdog.watch(port, lastBytes: RelayFrames.allOff([1]))
        #expect(!watchdog.hasFired(), "state of the previous board")
    }

    /// SIGKILL while relays are on; in every second round for the whole process group.
    @Test(arguments: 1...6) func killedProcessLeavesNoRelayOn(round: Int) async throws {
        let board = try RelayBoardEmulator(channels: 4)
        let folder = TemporaryFolder("turnstile")
        let (path, pidFile) = (board.path, folder.file("pid"))
        let isForAll = round % 2 == 0
        async let killed: Void = NamedThread.run("killer") {
            try eventually("open", everyMs: 1) { board.isOn(1) && board.isOn(2) && Files.exists(pidFile) }
            let pid = try #require(pid_t(try Files.readText(pidFile)))
            kill(isForAll ? -pid : pid, SIGKILL)
        }
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, pidFile = pidFile as String, isForAll = isForAll as Bool] in
            if isForAll { try #require(setpgid(0, 0) == 0 && getpgrp() == getpid()) }
            let settings = try #require(try TurnstileSettings.parse("serial:\(path),green=2,red=3,buzzer=4,pulse=1000"))
            let reports = Reports()
            let turnstile = Turnstile(settings, report: reports.take)
            let running = RunningService(turnstile.service())
            try eventually("the board is open", everyMs: 5) { reports.turnstile.last == .some(nil) }
            var state = LaneState()
            state.mode = .free
            turnstile.receive(.state(state))
            turnstile.receive(.verdict(result(opens: true)))
            try Files.writeAtomically(Array("\(getpid())".utf8), to: pidFile)
            try eventually("killed") { false }
            try running.end()
        }
        try await killed
        try eventually("all off", everyMs: 5) { board.states == [false, false, false, false] }
        #expect(board.changes.contains { $0.isOn && $0.channel == 1 })
        // The port is free for the next process.
        try eventually("free") { (try? SerialPort(path)) != nil }
        // The folder is removed with its object, so it must live until here.
        withExtendedLifetime(folder) {}
    }
}
