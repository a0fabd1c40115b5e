import DeviceEmulation
import GateController
import Glibc
import ScanModel
import SerialPorts
import TestSupport
import Testing

@testable import AccessControl
@testable import TurnstileControl

/// The turnstile on boards that are played by a pseudo-terminal, through the real serial port.
@Suite struct TurnstileTests {
    private static func start(
        _ board: RelayBoardEmulator, _ more: String = "", _ reports: Reports
    ) throws -> (Turnstile, Running) {
        let settings = try #require(try TurnstileSettings.parse("serial:\(board.path)\(more)"))
        let turnstile = Turnstile(settings, report: reports.take)
        let running = Running(turnstile.service())
        try eventually("the board is open", everyMs: 5) { reports.turnstile.last == .some(nil) }
        return (turnstile, running)
    }

    @Test(arguments: [1, 2, 4, 8], RelayBoardEmulator.Reply.allCases)
    func opensForOneTapAndClosesAgain(channels: Int, reply: RelayBoardEmulator.Reply) async throws {
        let (board, reports) = (try RelayBoardEmulator(channels: channels, reply: reply), Reports())
        let (turnstile, running) = try Self.start(board, ",open=\(channels),pulse=200", reports)
        turnstile.take(.answer(signal(.unknownTag)))
        turnstile.take(.answer(signal(opens: false)))
        turnstile.take(.answer(signal(opens: true)))
        try eventually("one pulse", everyMs: 5) { board.changes.count == 2 }
        let changes = board.changes
        #expect(changes.map(\.channel) == [channels, channels] && changes.map(\.isOn) == [true, false])
        try await running.end()
        #expect(board.changes.count == 2 && board.badFrames == 0)
        #expect(reports.turnstile == [nil])
    }

    @Test func switchesOffAtItsEndEvenInTheMiddleOfAPulse() async throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 4), Reports())
        let (turnstile, running) = try Self.start(board, ",green=2,pulse=1000", reports)
        turnstile.take(.answer(signal(opens: true)))
        try eventually("open", everyMs: 5) { board.isOn(1) && board.isOn(2) }
        try await running.end()
        try eventually("off") { board.states == [false, false, false, false] }
    }

    @Test func switchesOffWhatAnEarlierProgramLeftOn() async throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        try SerialPort(board.path).write(RelayFrames.set(1, true))
        try eventually("on") { board.isOn(1) }
        let (_, running) = try Self.start(board, reports)
        try eventually("off at the start") { !board.isOn(1) }
        try await running.end()
    }

    private static func start(_ board: RelayBoardEmulator, _ reports: Reports) throws -> (Turnstile, Running) {
        try start(board, "", reports)
    }

    @Test func aPulledBoardIsToldAndHealsWithoutOldPulses() async throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 1), Reports())
        let (turnstile, running) = try Self.start(board, reports)
        for round in 1...5 {
            board.unplug()
            try eventually("told", everyMs: 5) { reports.turnstile.count == 2 * round }
            let before = board.changes.count
            turnstile.take(.answer(signal(opens: true)))
            try board.plug()
            try eventually("healed", everyMs: 5) { reports.turnstile.count == 2 * round + 1 }
            #expect(reports.turnstile.last == .some(nil))
            #expect(board.changes.count == before, "a tap of before the healing moved the turnstile")
            turnstile.take(.answer(signal(opens: true)))
            try eventually("a tap of now opens", everyMs: 5) { board.changes.count == before + 2 }
        }
        try await running.end()
    }

    @Test func freeModeHoldsItAlsoAfterAPulledCable() async throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        let (turnstile, running) = try Self.start(board, ",green=2", reports)
        var state = LaneState()
        state.mode = .free
        turnstile.take(.state(state))
        try eventually("held") { board.states == [true, true] }
        board.unplug()
        try eventually("told") { reports.turnstile.count == 2 }
        try board.plug()
        try eventually("held again") { board.states == [true, true] }
        state.mode = .closed
        turnstile.take(.state(state))
        try eventually("released") { board.states == [false, false] }
        try await running.end()
    }

    @Test func aBoardWithTooFewChannelsIsSaidToBeOne() async throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        let settings = try #require(try TurnstileSettings.parse("serial:\(board.path),green=4"))
        let running = Running(Turnstile(settings, report: reports.take).service())
        try eventually("told") { reports.turnstile.first??.contains("2 channels, channel 4") == true }
        // Each attempt finds the port free again and says the same, so nothing else is told until a better board comes.
        let before = board.commands
        try eventually("tried again") { board.commands >= before + 8 }
        #expect(reports.turnstile.count == 1)
        try await running.end()
    }

    @Test func aHungBoardIsNoticed() async throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        let (_, running) = try Self.start(board, reports)
        board.isStuck = true
        try eventually("told", everyMs: 5) { reports.turnstile.last??.contains("does not answer") == true }
        // It opens, and takes every byte: that it says nothing does not make it one of the boards that never do.
        usleep(1_500_000)
        #expect(reports.turnstile.count == 2, "a hung board counts as healed")
        board.isStuck = false
        try eventually("healed") { reports.turnstile.count == 3 && reports.turnstile.last == .some(nil) }
        try await running.end()
    }

    @Test func anotherBoardMayBeOfTheSilentKind() async throws {
        let (board, reports) = (try RelayBoardEmulator(channels: 2), Reports())
        let (_, running) = try Self.start(board, reports)
        board.unplug()
        try eventually("told") { reports.turnstile.count == 2 }
        board.isStuck = true
        try board.plug()
        try eventually("taken") { reports.turnstile.last == .some(nil) }
        try await running.end()
    }

    @Test func theWatchdogSwitchesOffWhatAHungThreadLeftOn() throws {
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
        #expect(!watchdog.hasFired(), "told once")
        #expect(!watchdog.check(nowMs: 1_999) && watchdog.check(nowMs: 2_000))
        watchdog.watch(port, lastBytes: RelayFrames.allOff([1]))
        #expect(!watchdog.hasFired(), "of the board of before")
    }

    /// The end that nobody can catch, in the middle of a pulse; every second time for the whole process group.
    @Test(arguments: 1...6) func aKilledProcessLeavesNothingOpen(round: Int) async throws {
        let board = try RelayBoardEmulator(channels: 4)
        let path = board.path
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, isForAll = (round % 2 == 0) as Bool] in
            let settings = try #require(try TurnstileSettings.parse("serial:\(path),green=2,red=3,buzzer=4,pulse=1000"))
            let reports = Reports()
            let turnstile = Turnstile(settings, report: reports.take)
            let running = Running(turnstile.service())
            try eventually("the board is open", everyMs: 5) { reports.turnstile.last == .some(nil) }
            var state = LaneState()
            state.mode = .free
            turnstile.take(.state(state))
            turnstile.take(.answer(signal(opens: true)))
            usleep(200_000)
            if isForAll {
                try #require(setpgid(0, 0) == 0 && getpgrp() == getpid())
                kill(0, SIGKILL)
            }
            kill(getpid(), SIGKILL)
            try await running.end()
        }
        try eventually("all off", everyMs: 5) { board.states == [false, false, false, false] }
        #expect(board.changes.contains { $0.isOn && $0.channel == 1 }, "the turnstile was open when its process died")
        // And the port is free for the next one.
        try eventually("free") { (try? SerialPort(path)) != nil }
    }
}
