import Runtime
import TestSupport
import Testing

struct BackoffTests {
    @Test(arguments: [UInt64(1), 2, 3]) func delaysStayBelowTheDoublingCeiling(seed: UInt64) {
        var random = TestRandom(seed: seed)
        for base in [1, 100, 700] {
            var backoff = Backoff(baseMs: base, capMs: 5_000)
            var ceiling = base
            for attempt in 0..<40 {
                let delay = backoff.nextDelayMs(using: &random)
                #expect((0...min(5_000, ceiling)).contains(delay), "seed \(seed), attempt \(attempt)")
                #expect(backoff.attempt == attempt + 1)
                ceiling = min(5_000, ceiling * 2)
            }
        }
    }

    @Test func delaysCoverTheWholeRange() {
        var random = TestRandom(seed: 7)
        var backoff = Backoff(baseMs: 1_000, capMs: 1_000)
        let delays = (0..<2_000).map { _ in backoff.nextDelayMs(using: &random) }
        #expect(delays.min()! < 50 && delays.max()! > 950)
        #expect((400...600).contains(delays.reduce(0, +) / delays.count))
    }

    @Test func resetRestartsAtTheBaseDelay() {
        var random = TestRandom(seed: 9)
        var backoff = Backoff(baseMs: 10, capMs: 60_000)
        for _ in 0..<30 { _ = backoff.nextDelayMs(using: &random) }
        backoff.reset()
        #expect(backoff.attempt == 0)
        #expect((0...10).contains(backoff.nextDelayMs(using: &random)))
    }
}
