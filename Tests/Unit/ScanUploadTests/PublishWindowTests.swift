import Runtime
import ScanModel
import ScanUpload
import TestSupport
import Testing

struct PublishWindowTests {
    @Test func everyScanArrivesAfterAnySeriesOfFaults() {
        // Small batches lead to the same decisions with a twentieth of the scans.
        var limits = PublishWindow.Limits()
        (limits.batchScans, limits.smallestBatchScans, limits.windowBytes) = (25, 3, 3_000)
        for seed in UInt64(1)...1_000 {
            var random = SeededRandom(seed: seed &* 31)
            func perThousand(_ most: Int) -> Int {
                Bool.random(using: &random) ? Int.random(in: 0...most, using: &random) : 0
            }
            var model = PublishModel(
                seed: seed,
                faults: .init(
                    cut: perThousand(60), refuse: perThousand(300), unroutable: perThousand(200),
                    missingExchange: perThousand(50), block: perThousand(30), connectFails: perThousand(500),
                    disorder: Bool.random(using: &random)),
                limits: limits)
            for _ in 0..<40 {
                if Int.random(in: 0..<8, using: &random) == 0 { model.newJournal() }
                model.tap(Int64.random(in: 0...45, using: &random))
                for _ in 0..<Int.random(in: 0..<30, using: &random) { model.step() }
            }
            var steps = 0
            while !model.isDelivered, steps < 50_000 {
                model.step()
                steps += 1
            }
            guard model.broken == [], model.isDelivered, model.window.backlog == 0 else {
                Issue.record("seed \(seed), after \(steps) steps: \(model.broken), delivered: \(model.isDelivered)")
                return
            }
        }
    }

    @Test func connectionThatOnlyRejectsIsAbandoned() {
        let log = JournalID.random()
        var window = PublishWindow(cursors: [:], seed: 1, nowMs: 0)
        window.journalsChanged([.init(number: 1, journalID: log, lastSeq: 1_000_000, isFinished: false)])
        var (nowMs, tag) = (Int64(0), UInt64(0))
        /// Answers every publish until the connection is abandoned. Returns the seconds until then, or `nil` at the
        /// limit.
        func run(confirming: Bool, forMs limitMs: Int64) -> Int64? {
            let startMs = nowMs
            while nowMs < startMs + limitMs {
                switch window.next(nowMs: nowMs) {
                case .connect:
                    window.connected(nowMs: nowMs)
                    tag = 0
                case .publish(let slice), .heartbeat(let slice):
                    tag += 1
                    window.published(slice, count: slice.limit, bytes: 100, tag: tag, nowMs: nowMs)
                    if confirming {
                        window.confirmed(tag: tag, multiple: false, nowMs: nowMs)
                        nowMs += 100
                    } else {
                        window.refused(tag: tag, multiple: false, nowMs: nowMs)
                    }
                case .abandonConnection:
                    window.connectionLost(nowMs: nowMs)
                    return (nowMs - startMs) / 1_000
                case .wait(let ms): nowMs += min(ms, 50)
                case .openChannel: break
                }
            }
            return nil
        }
        let (first, second) = (run(confirming: false, forMs: 60_000), run(confirming: false, forMs: 60_000))
        #expect(first.map { (5...10).contains($0) } == true, "\(first ?? -1)")
        #expect(second.map { (10...20).contains($0) } == true, "\(second ?? -1)")
        for _ in 0..<6 { _ = run(confirming: false, forMs: 600_000) }
        let last = run(confirming: false, forMs: 600_000)
        #expect(last.map { (160...175).contains($0) } == true, "\(last ?? -1)")
        // Single rejections do not end the connection.
        for _ in 0..<30 {
            #expect(run(confirming: true, forMs: 6_000) == nil)
            #expect(run(confirming: false, forMs: 3_000) == nil)
        }
        #expect(window.batchScans == window.limits.batchScans)
    }

    @Test func missingSeqsAreSkippedInOrder() throws {
        let log = JournalID.random()
        var window = PublishWindow(cursors: [:], seed: 1, nowMs: 0)
        window.journalsChanged([.init(number: 1, journalID: log, lastSeq: 10, isFinished: true)])
        _ = window.next(nowMs: 0)
        window.connected(nowMs: 0)
        func slice() throws -> PublishWindow.Slice {
            while true {
                switch window.next(nowMs: 0) {
                case .heartbeat(let beat): window.published(beat, count: 0, bytes: 1, tag: 1, nowMs: 0)
                case .publish(let slice): return slice
                case let step: throw TestFailure("\(step)")
                }
            }
        }
        // Seqs 1 and 2 exist, 3 to 7 are lost.
        window.published(try slice(), count: 2, bytes: 1, tag: 2, nowMs: 0)
        let gap = try slice()
        #expect(gap.first == 3)
        window.missing(gap, upTo: 7)
        #expect(window.takeAdvances().isEmpty, "1 and 2 are not confirmed")
        let rest = try slice()
        #expect(rest.first == 8 && rest.limit == 3)
        window.published(rest, count: 3, bytes: 1, tag: 3, nowMs: 0)
        window.confirmed(tag: 2, multiple: true, nowMs: 0)
        #expect(window.takeAdvances() == [log: 7])
        // After a lost connection, publishing continues after the gap.
        window.connectionLost(nowMs: 0)
        window.connected(nowMs: 0)
        #expect(try slice().first == 8)
        #expect(window.backlog == 3 && window.missing == 5)
    }

    @Test func heartbeatsCanBeDisabled() throws {
        var limits = PublishWindow.Limits()
        limits.sendsHeartbeats = false
        let log = JournalID.random()
        var window = PublishWindow(limits, cursors: [log: 10], seed: 1, nowMs: 0)
        window.journalsChanged([.init(number: 1, journalID: log, lastSeq: 10, isFinished: true)])
        window.connected(nowMs: 0)
        window.requestHeartbeat()
        for nowMs in stride(from: Int64(0), to: 60_000, by: 500) {
            let step = window.next(nowMs: nowMs)
            guard case .wait = step else { throw TestFailure("\(step) at \(nowMs) ms") }
        }
    }

    @Test func scanAfterAPauseIsPublishedAtOnceAndTheNextWaits() {
        var model = PublishModel(seed: 1)
        model.newJournal()
        while model.heartbeats == 0 || model.window.inFlight > 0 { model.step() }
        let tappedMs = model.nowMs
        model.tap(1)
        while model.batches.isEmpty { model.step() }
        #expect(model.batches == [1])
        #expect(model.nowMs == tappedMs)
        model.tap(2)
        while model.batches.count == 1 { model.step() }
        #expect(model.batches == [1, 2])
        #expect(model.nowMs - tappedMs == model.window.limits.ageMs)
    }

    @Test func fullBatchAndFinishedJournalArePublishedImmediately() {
        var model = PublishModel(seed: 1, limits: .init())
        model.tap(1_100)
        model.newJournal()
        var window = model.window
        window.connected(nowMs: 0)
        var sizes: [Int] = []
        for tag in UInt64(1)...4 {
            switch window.next(nowMs: 0) {
            case .publish(let slice), .heartbeat(let slice):
                sizes.append(slice.limit)
                window.published(slice, count: slice.limit, bytes: 1, tag: tag, nowMs: 0)
            case let other: Issue.record("\(other)")
            }
        }
        #expect(sizes == [0, 500, 500, 100])
    }

    @Test func batchHalvesOnLossAndDoublesOnQuickConfirms() {
        var model = PublishModel(seed: 3)
        model.tap(20_000)
        var sizes: [Int] = []
        for _ in 0..<6 {
            let batches = model.batches.count
            while model.batches.count == batches { model.step(canAnswer: false) }
            model.faults.cut = 1_000
            model.step(canAnswer: false)
            model.faults.cut = 0
            sizes.append(model.window.batchScans)
        }
        #expect(sizes == [250, 125, 62, 50, 50, 50])
        while !model.isDelivered { model.step() }
        #expect(model.window.batchScans == 500)
        #expect(model.broken == [])
    }

    @Test func idleConnectionLossKeepsBatchSize() {
        var model = PublishModel(seed: 3)
        model.tap(10)
        while !model.isDelivered || model.window.inFlight > 0 { model.step() }
        model.faults.cut = 1_000
        model.step()
        #expect(model.window.batchScans == 500 && model.window.losses == 0 && !model.isUp)
    }

    @Test func progressOfBytesKeepsSlowConnection() {
        let log = JournalID(high: 1, low: 1)
        var window = PublishWindow(cursors: [:], seed: 1, nowMs: 0)
        window.journalsChanged([.init(number: 1, journalID: log, lastSeq: 500, isFinished: true)])
        window.connected(nowMs: 0)
        for tag in UInt64(1)...2 {
            switch window.next(nowMs: 0) {
            case .heartbeat(let slice), .publish(let slice):
                window.published(slice, count: slice.limit, bytes: 7_500, tag: tag, nowMs: 0)
            case let other: Issue.record("\(other)")
            }
        }
        // One batch takes five minutes. Every 29 s some bytes are acknowledged.
        for minute in Int64(1)...10 {
            let nowMs = minute * 29_000
            switch window.next(nowMs: nowMs) {
            case .heartbeat(let slice) where minute == 1:
                window.published(slice, count: 0, bytes: 100, tag: 3, nowMs: nowMs)
            case .wait: break
            case let other: Issue.record("minute \(minute): \(other)")
            }
            window.progressed(nowMs: nowMs)
        }
        #expect(window.next(nowMs: 290_000 + 30_000) == .abandonConnection)
        window.confirmed(tag: 2, multiple: true, nowMs: 321_000)
        #expect(window.takeAdvances() == [log: 500])
    }

    @Test func returnedBatchIsPublishedAgainAfterPause() {
        var model = PublishModel(seed: 5, faults: .init(unroutable: 1_000))
        model.tap(600)
        for _ in 0..<200 { model.step() }
        #expect(model.cursors.isEmpty && model.window.refusals > 10)
        // With full jitter up to 5 s, 200 steps take at least 20 s.
        #expect(model.nowMs > 20_000)
        model.faults.unroutable = 0
        while !model.isDelivered { model.step() }
        #expect(model.broken == [])
        #expect(model.taken[1]?.count == 600)
    }

    @Test func blockedConnectionWaitsWithoutLimit() {
        var window = PublishWindow(cursors: [:], seed: 1, nowMs: 0)
        window.journalsChanged([
            .init(number: 1, journalID: JournalID(high: 1, low: 1), lastSeq: 9_000, isFinished: true)
        ])
        window.connected(nowMs: 0)
        window.blocked()
        for nowMs in stride(from: Int64(0), to: 1_000_000, by: 10_000) {
            #expect(window.next(nowMs: nowMs) == .wait(ms: 1_000))
        }
        window.unblocked(nowMs: 1_000_000)
        guard case .heartbeat = window.next(nowMs: 1_000_000) else {
            Issue.record("\(window.next(nowMs: 1_000_000))")
            return
        }
    }

    @Test func heartbeatsAtStartOnRequestAndWhenIdle() {
        var model = PublishModel(seed: 1)
        model.newJournal()
        while model.nowMs < 46_000 { model.step() }
        #expect(model.heartbeats == 4)
        model.window.requestHeartbeat()
        model.step()
        #expect(model.heartbeats == 5)
    }

    @Test func busyLaneSendsHeartbeatsToo() {
        let log = JournalID(high: 1, low: 1)
        var window = PublishWindow(cursors: [:], seed: 1, nowMs: 0)
        var (beats, tag): ([Int64], UInt64) = ([], 0)
        for nowMs in stride(from: Int64(0), through: 130_000, by: 1_000) {
            window.journalsChanged([
                PublishWindow.Source(number: 1, journalID: log, lastSeq: nowMs / 1_000 + 1, isFinished: false)
            ])
            step: while true {
                switch window.next(nowMs: nowMs) {
                case .connect: window.connected(nowMs: nowMs)
                case .heartbeat(let slice), .publish(let slice):
                    if slice.limit == 0 { beats.append(nowMs) }
                    tag += 1
                    window.published(slice, count: slice.limit, bytes: 1, tag: tag, nowMs: nowMs)
                    window.confirmed(tag: tag, multiple: false, nowMs: nowMs)
                default: break step
                }
            }
        }
        #expect(beats == [0, 60_000, 120_000])
    }

    @Test func nothingIsPublishedWithoutJournal() {
        var model = PublishModel(seed: 1)
        var steps = 0
        while model.nowMs < 60_000 {
            model.step()
            steps += 1
        }
        #expect(model.heartbeats == 0 && steps < 100)
    }

    @Test func confirmedScansAreNotPublishedAgain() {
        let log = JournalID(high: 1, low: 1)
        var window = PublishWindow(cursors: [log: 90], seed: 1, nowMs: 0)
        window.journalsChanged([.init(number: 4, journalID: log, lastSeq: 100, isFinished: true)])
        window.connected(nowMs: 0)
        guard case .heartbeat(let heartbeat) = window.next(nowMs: 0) else {
            Issue.record("the first step is no heartbeat")
            return
        }
        #expect(heartbeat.first == 91 && heartbeat.backlogFromFirst == 10)
        window.published(heartbeat, count: 0, bytes: 100, tag: 1, nowMs: 0)
        guard case .publish(let slice) = window.next(nowMs: 0) else {
            Issue.record("the second step publishes no scans")
            return
        }
        #expect(slice.first == 91 && slice.limit == 10 && slice.previous == nil)
    }

    @Test func connectAttemptsAlternateWithBackoff() {
        var window = PublishWindow(cursors: [:], seed: 9, nowMs: 0)
        var nowMs: Int64 = 0
        var addresses: [Int] = []
        var longestMs: Int64 = 0
        while addresses.count < 300 {
            switch window.next(nowMs: nowMs) {
            case .connect(let address):
                addresses.append(address)
                window.connectFailed(nowMs: nowMs)
            case .wait(let ms):
                longestMs = max(longestMs, ms)
                nowMs += ms
            case let other: Issue.record("\(other)")
            }
        }
        #expect(addresses == Array(0..<300))
        #expect((4_000...5_000).contains(longestMs))
        #expect(nowMs > 300_000)
    }
}
