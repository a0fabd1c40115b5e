import Synchronization
import TestSupport
import Testing

@testable import LiveState

/// Tests the frames: their members, and who gets one.
@Suite struct LiveFramesTests {
    private static let now: Int64 = 1_780_272_000_000_000
    private static let up = LiveState.Server(isConnected: true, sinceS: 1_780_270_000, problem: nil)
    private static let down = LiveState.Server(isConnected: false, sinceS: 1_780_271_000, problem: "not \"reached\"")

    private func sources(
        broker: LiveState.Server = up, database: LiveState.Server = up, _ queues: LiveState.Queues = LiveState.Queues()
    ) -> LiveState.Sources {
        LiveState.Sources(
            broker: { broker }, database: { database }, queues: { queues }, isBacklog: { false }, viewers: { 0 },
            publish: { _ in })
    }

    /// A board on which every part is known.
    private func board(atMs: Int64 = 1_000, alarms: [LiveAlarm] = []) -> LiveBoard {
        let board = LiveBoard()
        let intervals = LiveSchedule().intervals(.viewers, isBacklog: false)
        let texts: [LivePart: [String: String]] = [
            .counts: ["zones": "{\"as_of\":\"z\",\n \"rows\":[]}", "gates": "{\"as_of\":\"g\",\"rows\":[]}"],
            .ingest: [
                "event": "{\"name\":\"E\"}", "centers": "{\"state\":\"running\",\"running\":1}",
                "ingest": "{\"as_of\":\"i\",\"gaps\":0}",
            ],
            .fleet: ["fleet": "{\"as_of\":\"f\"}"],
            .flow: ["sparks": "{}", "arrivals": "{}", "refused": "{}", "doubles": "{}"],
        ]
        for part in LivePart.allCases {
            board.put(
                LiveStore.Result(texts: texts[part] ?? [:], alarms: part == .counts ? alarms : []), part,
                intervals: intervals, nowMs: atMs)
        }
        return board
    }

    private func text(_ frame: [UInt8]) -> String { String(decoding: frame, as: UTF8.self) }

    @Test func frameWithoutPartsSaysNull() {
        var frames = LiveFrames()
        let frame = frames.next(LiveBoard().contents(nowMs: 0), sources(), nowMicros: LiveFramesTests.now)
        let server = #"{"ok":true,"since":"2026-05-31T23:26:40.000Z","problem":null}"#
        #expect(
            text(frame) == """
                {"v":1,"seq":1,"at":"2026-06-01T00:00:00.000Z","period_ms":1000,"event":null,\
                "servers":{"broker":\(server),"database":\(server),"centers":null},"zones":null,"gates":null,\
                "sparks":null,"arrivals":null,"refused":null,"doubles":null,"fleet":null,"ingest":null,"alarms":[]}
                """)
    }

    @Test func frameIsOneLineWithAllParts() {
        var frames = LiveFrames()
        let contents = board().contents(nowMs: 1_500)
        _ = frames.next(contents, sources(), nowMicros: LiveFramesTests.now)
        let frame = text(
            frames.next(contents, sources(LiveState.Queues(ready: 7)), nowMicros: LiveFramesTests.now))
        #expect(!frame.contains("\n") && frame.hasPrefix(#"{"v":1,"seq":2,"#))
        #expect(frame.contains(#""zones":{"as_of":"z", "rows":[]},"#))
        #expect(
            frame.contains(
                #""ingest":{"as_of":"i","queue_ready":7,"queue_unacked":null,"scans_s":null,"dead":null,"gaps":0},"#))
        #expect(frame.contains(#""centers":{"state":"running","running":1}},"#))
    }

    @Test func lostServersAreAlarmsAtOnce() {
        var frames = LiveFrames()
        let contents = board().contents(nowMs: 1_500)
        let frame = text(
            frames.next(
                contents, sources(broker: LiveFramesTests.down, database: LiveFramesTests.down),
                nowMicros: LiveFramesTests.now))
        #expect(
            frame.contains(#""broker":{"ok":false,"since":"2026-05-31T23:43:20.000Z","problem":"not \"reached\""}"#))
        #expect(frame.contains(#""centers":null"#))
        #expect(frame.contains(#""key":"broker-away","args":{}"#) && frame.contains(#""key":"database-away""#))
    }

    @Test func failedOrHangingStatementIsALostDatabase() {
        var frames = LiveFrames()
        let (board, now) = (board(), LiveFramesTests.now)
        board.failed(nowMs: 2_000, nowMicros: now - 2_000_000)
        board.failed(nowMs: 99_000, nowMicros: now)
        let failed = text(frames.next(board.contents(nowMs: 100_000), sources(), nowMicros: now))
        #expect(
            failed.contains(
                #""database":{"ok":false,"since":"2026-05-31T23:59:58.000Z","problem":"the database does not answer"}"#
            ))
        // The last known numbers stay, with their time.
        #expect(failed.contains(#""gates":{"as_of":"g","rows":[]}"#))
        board.put(
            LiveStore.Result(), .counts, intervals: LiveSchedule().intervals(.viewers, isBacklog: false), nowMs: 9)
        #expect(board.contents(nowMs: 10).failedSinceMicros == nil)
        board.began(nowMicros: 1)
        #expect(board.contents(nowMs: 10).failedSinceMicros == 1)
    }

    /// The clock of the database is 11 s ahead: no age in a frame may show it.
    @Test func frameHasOnlyTheClockOfTheDatabase() {
        var frames = LiveFrames()
        let (board, now) = (board(alarms: [LiveAlarm(id: "zone-busy:1", level: .warn)]), LiveFramesTests.now)
        let intervals = LiveSchedule().intervals(.viewers, isBacklog: false)
        func measure(_ ahead: Int64?) {
            let result = LiveStore.Result(texts: ["fleet": "{}"], clockAheadMicros: ahead)
            board.put(result, .fleet, intervals: intervals, nowMs: 1_000)
        }
        measure(11_000_000)
        let frame = text(frames.next(board.contents(nowMs: 1_500), sources(), nowMicros: now))
        #expect(frame.contains(#""at":"2026-06-01T00:00:11.000Z""#), "\(frame)")
        #expect(frame.contains(#""since":"2026-05-31T23:26:51.000Z","problem":null"#))
        #expect(frame.contains(#""level":"warn","since":"2026-06-01T00:00:11.000Z""#))
        // The last measurement holds without a new one, and the duration of an answer changes nothing.
        measure(nil)
        measure(11_000_000 - LiveBoard.clockStepMicros)
        board.failed(nowMs: 2_000, nowMicros: now)
        let lost = text(frames.next(board.contents(nowMs: 2_000), sources(), nowMicros: now + 1_000_000))
        #expect(lost.contains(#""at":"2026-06-01T00:00:12.000Z""#), "\(lost)")
        #expect(lost.contains(#""database":{"ok":false,"since":"2026-06-01T00:00:11.000Z""#))
        #expect(lost.contains(#""key":"database-away""#) && lost.contains(#""since":"2026-06-01T00:00:12.000Z""#))
    }

    @Test func partThatStopsIsAnAlarm() {
        var frames = LiveFrames()
        let (board, now) = (board(atMs: 1_000), LiveFramesTests.now)
        func frame(_ nowMs: Int64) -> String {
            text(frames.next(board.contents(nowMs: nowMs), sources(), nowMicros: now))
        }
        // Without a request nothing is late.
        #expect(!frame(30_000).contains("-late"))
        #expect(board.demand(viewers: 1, nowMs: 30_000) == .viewers)
        #expect(!frame(36_000).contains("-late"))
        let late = frame(37_000)
        #expect(
            late.contains(#""id":"counts-late","level":"alarm""#) && late.contains(#""args":{"age_s":36}"#), "\(late)")
        #expect(!late.contains("flow-late"))
        // The counts are forgotten. That they are not computed is not.
        let forgotten = frame(70_000)
        #expect(forgotten.contains(#""zones":null"#) && forgotten.contains(#""key":"counts-late""#))
        #expect(forgotten.contains(#""id":"flow-late","level":"warn""#))
        board.put(
            LiveStore.Result(), .counts, intervals: LiveSchedule().intervals(.viewers, isBacklog: false), nowMs: 71_000)
        #expect(!frame(71_000).contains("counts-late"))
        // A statement that reaches its time limit is an alarm at once, whatever the interval is now.
        board.gaveUp(.counts)
        #expect(frame(71_100).contains(#""key":"counts-late""#))
    }

    @Test func partThatWasNeverComputedIsAnAlarm() {
        var frames = LiveFrames()
        let board = LiveBoard()
        #expect(board.demand(viewers: 1, nowMs: 1_000) == .viewers)
        #expect(board.contents(nowMs: 7_000).late == [])
        board.gaveUp(.flow)
        #expect(board.contents(nowMs: 7_000).late == [LiveBoard.Late(part: .flow)])
        let frame = text(frames.next(board.contents(nowMs: 8_000), sources(), nowMicros: LiveFramesTests.now))
        #expect(frame.contains(#""key":"counts-late","args":{"age_s":null}"#), "\(frame)")
    }

    @Test func failureIsForgottenWithoutViewers() {
        let (board, now) = (board(atMs: 1_000), LiveFramesTests.now)
        board.failed(nowMs: 2_000, nowMicros: now)
        #expect(board.contents(nowMs: 500_000).failedSinceMicros == now)
        #expect(board.demand(viewers: 0, nowMs: 500_000) == .none)
        // The first viewer waits for the next computation, and gets neither the failure nor its numbers.
        #expect(board.newest(nowMs: 900_000) == nil)
        let contents = board.contents(nowMs: 900_000)
        #expect(contents.failedSinceMicros == nil && contents.items.isEmpty)
        // If it fails too, the database is away, and the numbers of an hour ago do not come back.
        #expect(board.demand(viewers: 0, nowMs: 900_000) == .viewers)
        board.failed(nowMs: 900_100, nowMicros: now + 900_000_000)
        let failed = board.contents(nowMs: 900_200)
        #expect(failed.failedSinceMicros == now + 900_000_000 && failed.items.isEmpty)
    }

    @Test func alarmKeepsItsBeginWhileItsPartIsNotKnown() {
        var alarms = LiveAlarms()
        let now = LiveFramesTests.now
        let (full, away) = (
            LiveAlarm(id: "zone-full:2", level: .alarm, part: .counts), LiveAlarm(id: "broker-away", level: .alarm)
        )
        _ = alarms.update([full, away], nowMicros: now)
        #expect(alarms.update([], unknown: [.counts, .fleet], nowMicros: now + 60_000_000) == "[]")
        let again = alarms.update([full, away], nowMicros: now + 120_000_000)
        #expect(again.contains(#""id":"zone-full:2","level":"alarm","since":"2026-06-01T00:00:00.000Z""#), "\(again)")
        #expect(again.contains(#""id":"broker-away","level":"alarm","since":"2026-06-01T00:02:00.000Z""#))
        // A computation without it ends it.
        _ = alarms.update([], unknown: [.fleet], nowMicros: now)
        #expect(alarms.update([full], nowMicros: now + 180_000_000).contains("00:03:00.000Z"))
    }

    @Test func alarmsKeepTheirBeginAndComeWorstFirst() {
        var alarms = LiveAlarms()
        let (warn, alarm) = (LiveAlarm(id: "zone-busy:1", level: .warn), LiveAlarm(id: "zone-full:2", level: .alarm))
        let now = LiveFramesTests.now
        _ = alarms.update([warn], nowMicros: now)
        let both = alarms.update([warn, alarm], nowMicros: now + 1_000_000)
        #expect(
            both == """
                [{"id":"zone-full:2","level":"alarm","since":"2026-06-01T00:00:01.000Z","key":"zone-full","args":{}},\
                {"id":"zone-busy:1","level":"warn","since":"2026-06-01T00:00:00.000Z","key":"zone-busy","args":{}}]
                """)
        #expect(alarms.update([], nowMicros: now) == "[]")
        #expect(alarms.update([warn], nowMicros: now + 2_000_000).contains("00:00:02.000Z"))
        let many = (0..<200).map { LiveAlarm(id: "gate-drop:\($0)", level: .warn) }
        #expect(alarms.update(many, nowMicros: now).ranges(of: "\"id\"").count == LiveAlarms.limit)
    }

    @Test func demandEndsAfterTheLastRequest() {
        let board = LiveBoard()
        #expect(board.demand(viewers: 0, nowMs: 0) == .none)
        #expect(board.demand(viewers: 1, nowMs: 0) == .viewers)
        _ = board.scrape(nowMs: 0)
        #expect(board.demand(viewers: 0, nowMs: 299_000) == .metrics)
        #expect(board.newest(nowMs: 1_000) == nil)
        #expect(board.demand(viewers: 0, nowMs: 10_900) == .viewers)
        #expect(board.demand(viewers: 0, nowMs: 11_000) == .metrics)
        #expect(board.demand(viewers: 0, nowMs: 300_000) == .none)
    }

    @Test func requestGetsACompleteFrameOnly() {
        let board = LiveBoard()
        let answers = Recorder<[UInt8]?>()
        let answer: @Sendable ([UInt8]?) -> Void = { answers.record($0) }
        let isQueued = board.wait(answer, nowMs: 0)
        #expect(isQueued)
        #expect(board.demand(viewers: 0, nowMs: 0) == .viewers)
        #expect(board.publish([1], nowMs: 100).isEmpty)
        // Not complete after three seconds: what is known is better than nothing.
        for (answer, frame) in board.publish([2], nowMs: 3_000) { answer(frame) }
        #expect(answers.all == [[2]])
        let complete = self.board(atMs: 1_000)
        #expect(complete.newest(nowMs: 1_100) == nil)
        let isQueuedToo = complete.wait(answer, nowMs: 1_100)
        #expect(isQueuedToo)
        for (answer, frame) in complete.publish([3], nowMs: 1_200) { answer(frame) }
        #expect(answers.all == [[2], [3]])
        #expect(complete.newest(nowMs: 1_300) == [3])
        // Counts of four seconds ago are not the present state.
        #expect(complete.newest(nowMs: 5_000) == nil)
    }

    @Test func waitingRequestsAreLimitedAndEnd() {
        let board = LiveBoard()
        let ended = Mutex(0)
        func wait() -> Bool { board.wait({ frame in ended.withLock { $0 += frame == nil ? 1 : 0 } }, nowMs: 0) }
        for _ in 0..<LiveState.waitingLimit {
            let isQueued = wait()
            #expect(isQueued)
        }
        let isTooMany = !wait()
        #expect(isTooMany)
        board.end()
        let count = ended.withLock { $0 }
        #expect(count == LiveState.waitingLimit)
        let isOver = !wait()
        #expect(isOver)
    }

    @Test func frameWaitsForCountsOnlyIfTheyComeEachSecond() {
        #expect(!LiveBoard().isCountedEachSecond)
        let board = board()
        #expect(board.isCountedEachSecond)
        board.failed(nowMs: 1_000, nowMicros: LiveFramesTests.now)
        #expect(!board.isCountedEachSecond)
        var schedule = LiveSchedule()
        schedule.finished(.counts, startMs: 0, tookMs: 60)
        board.put(
            LiveStore.Result(), .counts, intervals: schedule.intervals(.viewers, isBacklog: true), nowMs: 60)
        #expect(!board.isCountedEachSecond)
    }

    @Test func oldPartsAreForgottenWithoutViewers() {
        let board = board(atMs: 1_000)
        #expect(board.contents(nowMs: 60_000).items.count == 4)
        #expect(board.contents(nowMs: 61_000).items.isEmpty)
    }
}
