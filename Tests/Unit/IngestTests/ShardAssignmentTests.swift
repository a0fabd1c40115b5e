import Testing

@testable import Ingest

/// Which queues a center consumes when, as plain values.
struct ShardRotaTests {
    private func rota(_ place: String = "1/1", shards: Int = 4, queueCheckMs: Int = 4_000) -> ShardAssignment {
        ShardAssignment(shards: shards, instance: CenterInstance(place)!, name: "c", queueCheckMs: queueCheckMs, nowMs: 0)
    }

    /// Everything that is due at that time.
    private func steps(_ rota: inout ShardAssignment, _ nowMs: Int64) -> [ShardAssignment.Step] {
        var steps: [ShardAssignment.Step] = []
        while let step = rota.next(nowMs: nowMs) { steps.append(step) }
        return steps
    }

    private func subscribed(_ steps: [ShardAssignment.Step]) -> [Int] {
        steps.compactMap { if case .subscribe(let shard, _) = $0 { shard } else { nil } }
    }

    /// Subscribes to all, and gives the tag of each shard.
    private func begun(_ rota: inout ShardAssignment, at nowMs: Int64 = ShardAssignment.standbyDelayMs) -> [String] {
        var tags: [Int: String] = [:]
        for case .subscribe(let shard, let tag) in steps(&rota, nowMs) { tags[shard] = tag }
        return (0..<tags.count).map { tags[$0]! }
    }

    @Test func places() {
        #expect(CenterInstance("2/3").map { [$0.number, $0.count] } == [2, 3])
        #expect(CenterInstance().description == "1/1")
        for text in ["", "1", "0/1", "2/1", "1/0", "1/65", "a/2", "1/2/3", "-1/2", "1/ 2", "/", "1/"] {
            #expect(CenterInstance(text) == nil, "\(text)")
        }
    }

    @Test func everyShardHasOneOwner() {
        for count in 1...8 {
            var owned: [Int] = []
            for number in 1...count {
                var rota = ShardAssignment(
                    shards: 13, instance: CenterInstance("\(number)/\(count)")!, name: "c", queueCheckMs: 30_000, nowMs: 0)
                owned += subscribed(steps(&rota, 0))
                let rest = subscribed(steps(&rota, ShardAssignment.standbyDelayMs))
                #expect(rest.count + owned.count >= 13)
            }
            #expect(owned.sorted() == Array(0..<13), "\(count) centers")
        }
    }

    @Test func aloneItTakesAllAtOnceAndAsksForNobody() {
        var rota = rota()
        let first = steps(&rota, 0)
        #expect(subscribed(first) == [0, 1, 2, 3])
        guard case .subscribe(_, let tag) = first[0] else { return }
        #expect(rota.recordDelivery(consumerTag: tag) == nil)
        #expect(!steps(&rota, 60_000).contains { if case .checkOwner = $0 { true } else { false } })
    }

    @Test func standsByLaterTakesOverAndHandsBackOnce() {
        var rota = rota("1/2", queueCheckMs: 1_000_000)
        #expect(subscribed(steps(&rota, 0)) == [0, 2])
        #expect(subscribed(steps(&rota, ShardAssignment.standbyDelayMs - 1)) == [])
        let standBy = steps(&rota, ShardAssignment.standbyDelayMs)
        #expect(subscribed(standBy) == [1, 3])
        guard case .subscribe(_, let tag) = standBy[0] else { return }
        // Nothing came from the other's shards: nobody is asked for.
        #expect(steps(&rota, 30_000) == [])
        #expect(rota.release(to: 2, nowMs: 30_000).map(\.shard) == [])
        #expect(rota.recordDelivery(consumerTag: tag) == 1)
        #expect(rota.recordDelivery(consumerTag: tag) == nil)
        #expect(steps(&rota, 40_000) == [.checkOwner(2)])
        let ended = rota.release(to: 2, nowMs: 40_000)
        #expect(ended.map(\.shard) == [1] && ended.map(\.consumerTag) == [tag])
        // What was still on its way is no take-over.
        #expect(rota.recordDelivery(consumerTag: tag) == nil)
        #expect(steps(&rota, 49_999) == [])
        let again = steps(&rota, 40_000 + ShardAssignment.standbyDelayMs)
        guard case .subscribe(1, let other) = again.first, again.count == 1 else {
            Issue.record("not subscribed again: \(again)")
            return
        }
        #expect(other != tag)
        #expect(rota.release(to: 2, nowMs: 60_000).map(\.shard) == [])
        #expect(rota.release(to: 1, nowMs: 60_000).map(\.shard) == [])
    }

    @Test func eachQueueIsLookedAtInTurn() {
        var rota = rota(queueCheckMs: 4_000)
        _ = begun(&rota, at: 0)
        var looks: [Int] = []
        for second in 1...8 {
            for case .checkQueue(let shard) in steps(&rota, Int64(second) * 1_000) { looks.append(shard) }
        }
        #expect(looks == [0, 1, 2, 3, 0, 1, 2, 3])
    }

    @Test func aQueueThatDeliveredAndHoldsBackIsSilent() {
        var rota = rota()
        let tags = begun(&rota)
        _ = rota.recordDelivery(consumerTag: tags[1])
        // The first look sees what came before it.
        #expect(rota.recordQueueCheck(shard: 1, ready: 5, consumers: 1, unsettled: 0) == false)
        #expect(rota.recordQueueCheck(shard: 1, ready: 5, consumers: 1, unsettled: 0) == false)
        #expect(rota.recordQueueCheck(shard: 1, ready: 4, consumers: 1, unsettled: 0) == true)
        #expect(rota.recordQueueCheck(shard: 0, ready: 0, consumers: 1, unsettled: 0) == false)
    }

    @Test func whatDeliversOrMayNotDeliverIsNotSilent() {
        var rota = rota()
        let tags = begun(&rota)
        _ = rota.recordDelivery(consumerTag: tags[1])
        for look in 0..<20 {
            // Deliveries in hand: the prefetch may be used up.
            #expect(rota.recordQueueCheck(shard: 1, ready: 1_000 + look, consumers: 1, unsettled: 1) == false)
        }
        for _ in 0..<20 {
            _ = rota.recordDelivery(consumerTag: tags[1])
            #expect(rota.recordQueueCheck(shard: 1, ready: 1_000, consumers: 1, unsettled: 0) == false)
        }
        for look in 0..<20 { #expect(rota.recordQueueCheck(shard: 1, ready: look % 2, consumers: 1, unsettled: 0) == false) }
    }

    @Test func aQueueWithoutAnyConsumerIsSilent() {
        var rota = rota()
        _ = begun(&rota)
        #expect(rota.recordQueueCheck(shard: 2, ready: 1, consumers: 0, unsettled: 0) == false)
        #expect(rota.recordQueueCheck(shard: 2, ready: 1, consumers: 0, unsettled: 0) == true)
    }

    /// Another center is the active consumer: only a number that never falls is a reason to doubt it, and to try again.
    @Test func standingByIsNoSilence() {
        var rota = rota("1/2")
        _ = begun(&rota)
        for look in 0..<20 { #expect(rota.recordQueueCheck(shard: 1, ready: 100 - look, consumers: 1, unsettled: 0) == false) }
        var silentAt: Int?
        for look in 1...6 where rota.recordQueueCheck(shard: 1, ready: 80 + look, consumers: 1, unsettled: 0) {
            silentAt = silentAt ?? look
        }
        #expect(silentAt != nil)
    }
}
