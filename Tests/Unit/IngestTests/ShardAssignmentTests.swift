import Testing

@testable import Ingest

/// Tests which queues a center consumes and when, as plain values.
struct ShardAssignmentTests {
    private func assignment(
        _ instance: String = "1/1", shards: Int = 4, queueCheckMs: Int = 4_000
    ) throws -> ShardAssignment {
        ShardAssignment(
            shards: shards, instance: try #require(CenterInstance(instance)), name: "c", queueCheckMs: queueCheckMs,
            nowMs: 0)
    }

    /// Returns all steps that are due at a time.
    private func steps(_ assignment: inout ShardAssignment, _ nowMs: Int64) -> [ShardAssignment.Step] {
        var steps: [ShardAssignment.Step] = []
        while let step = assignment.next(nowMs: nowMs) { steps.append(step) }
        return steps
    }

    /// Returns the consumer tags of the subscriptions among steps, by shard.
    private func subscriptions(_ steps: [ShardAssignment.Step]) -> [Int: String] {
        var tags: [Int: String] = [:]
        for case .subscribe(let shard, let tag) in steps { tags[shard] = tag }
        return tags
    }

    private func subscribed(_ steps: [ShardAssignment.Step]) -> [Int] { subscriptions(steps).keys.sorted() }

    /// Subscribes to all shards and returns the consumer tag of each.
    private func subscribeToAll(
        _ assignment: inout ShardAssignment, at nowMs: Int64 = ShardAssignment.standbyDelayMs
    ) -> [String] {
        subscriptions(steps(&assignment, nowMs)).sorted { $0.key < $1.key }.map(\.value)
    }

    @Test func instancesAreParsed() {
        #expect(CenterInstance("2/3").map { [$0.number, $0.count] } == [2, 3])
        #expect(CenterInstance().description == "1/1")
        for text in ["", "1", "0/1", "2/1", "1/0", "1/65", "a/2", "1/2/3", "-1/2", "1/ 2", "/", "1/"] {
            #expect(CenterInstance(text) == nil, "\(text)")
        }
    }

    @Test func everyShardHasOneOwner() throws {
        for count in 1...8 {
            var owned: [Int] = []
            for number in 1...count {
                var assignment = try assignment("\(number)/\(count)", shards: 13, queueCheckMs: 30_000)
                let own = subscribed(steps(&assignment, 0))
                let standby = subscribed(steps(&assignment, ShardAssignment.standbyDelayMs))
                #expect((own + standby).sorted() == Array(0..<13), "\(number)/\(count)")
                owned += own
            }
            #expect(owned.sorted() == Array(0..<13), "\(count) centers")
        }
    }

    @Test func onlyCenterSubscribesToAllShardsImmediately() throws {
        var assignment = try assignment()
        let tags = subscriptions(steps(&assignment, 0))
        #expect(tags.keys.sorted() == [0, 1, 2, 3])
        let tag = try #require(tags[0])
        #expect(assignment.recordDelivery(consumerTag: tag) == nil, "a delivery of an own shard is no takeover")
        #expect(!steps(&assignment, 60_000).contains { if case .checkOwner = $0 { true } else { false } })
    }

    @Test func standbyTakesOverAndReleasesToTheOwner() throws {
        var assignment = try assignment("1/2", queueCheckMs: 1_000_000)
        #expect(subscribed(steps(&assignment, 0)) == [0, 2])
        #expect(steps(&assignment, ShardAssignment.standbyDelayMs - 1) == [])
        let standby = subscriptions(steps(&assignment, ShardAssignment.standbyDelayMs))
        #expect(standby.keys.sorted() == [1, 3])
        let tag = try #require(standby[1])
        // Without deliveries from the other center's shards, its presence is not checked.
        #expect(steps(&assignment, 30_000) == [])
        #expect(assignment.release(to: 2, nowMs: 30_000).map(\.shard) == [])
        #expect(assignment.recordDelivery(consumerTag: tag) == 1)
        #expect(assignment.recordDelivery(consumerTag: tag) == nil)
        #expect(steps(&assignment, 40_000) == [.checkOwner(2)])
        let released = assignment.release(to: 2, nowMs: 40_000)
        #expect(released.map(\.shard) == [1] && released.map(\.consumerTag) == [tag])
        // A delivery that was in transit during the release is no takeover.
        #expect(assignment.recordDelivery(consumerTag: tag) == nil)
        #expect(steps(&assignment, 49_999) == [])
        let again = steps(&assignment, 40_000 + ShardAssignment.standbyDelayMs)
        #expect(again.count == 1)
        let newTag = try #require(subscriptions(again)[1])
        #expect(newTag != tag)
        #expect(assignment.release(to: 2, nowMs: 60_000).map(\.shard) == [])
        #expect(assignment.release(to: 1, nowMs: 60_000).map(\.shard) == [])
    }

    @Test func queuesAreCheckedInTurn() throws {
        var assignment = try assignment(queueCheckMs: 4_000)
        _ = subscribeToAll(&assignment, at: 0)
        var checks: [Int] = []
        for second in 1...8 {
            for case .checkQueue(let shard) in steps(&assignment, Int64(second) * 1_000) { checks.append(shard) }
        }
        #expect(checks == [0, 1, 2, 3, 0, 1, 2, 3])
    }

    @Test func queueThatStopsDeliveringHasStalled() throws {
        var assignment = try assignment()
        let tags = subscribeToAll(&assignment)
        _ = assignment.recordDelivery(consumerTag: tags[1])
        // The first check sees the delivery before it.
        #expect(assignment.recordQueueCheck(shard: 1, ready: 5, consumers: 1, unsettled: 0) == false)
        #expect(assignment.recordQueueCheck(shard: 1, ready: 5, consumers: 1, unsettled: 0) == false)
        #expect(assignment.recordQueueCheck(shard: 1, ready: 4, consumers: 1, unsettled: 0) == true)
        #expect(assignment.recordQueueCheck(shard: 0, ready: 0, consumers: 1, unsettled: 0) == false)
    }

    @Test func queueThatDeliversOrMayNotDeliverHasNotStalled() throws {
        var assignment = try assignment()
        let tags = subscribeToAll(&assignment)
        _ = assignment.recordDelivery(consumerTag: tags[1])
        for check in 0..<20 {
            // Deliveries in hand: the prefetch may be used up.
            #expect(assignment.recordQueueCheck(shard: 1, ready: 1_000 + check, consumers: 1, unsettled: 1) == false)
        }
        for _ in 0..<20 {
            _ = assignment.recordDelivery(consumerTag: tags[1])
            #expect(assignment.recordQueueCheck(shard: 1, ready: 1_000, consumers: 1, unsettled: 0) == false)
        }
        for check in 0..<20 {
            #expect(assignment.recordQueueCheck(shard: 1, ready: check % 2, consumers: 1, unsettled: 0) == false)
        }
    }

    @Test func queueWithoutConsumersHasStalled() throws {
        var assignment = try assignment()
        _ = subscribeToAll(&assignment)
        #expect(assignment.recordQueueCheck(shard: 2, ready: 1, consumers: 0, unsettled: 0) == false)
        #expect(assignment.recordQueueCheck(shard: 2, ready: 1, consumers: 0, unsettled: 0) == true)
    }

    /// Another center is the active consumer. Only a number of messages that never falls shows that it has stalled.
    @Test func standbyQueueHasStalledOnlyIfItNeverShrinks() throws {
        var assignment = try assignment("1/2")
        _ = subscribeToAll(&assignment)
        for check in 0..<20 {
            #expect(assignment.recordQueueCheck(shard: 1, ready: 100 - check, consumers: 1, unsettled: 0) == false)
        }
        let stalled = (1...ShardAssignment.standbyChecksLimit).map {
            assignment.recordQueueCheck(shard: 1, ready: 80 + $0, consumers: 1, unsettled: 0)
        }
        #expect(stalled == [false, false, false, true])
    }
}
