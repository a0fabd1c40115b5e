import TestSupport
import Testing

@testable import Ingest

/// Tests the acknowledgements against a model of the broker, which rejects a delivery tag that it does not hold.
struct AckWindowTests {
    /// The unacknowledged and the settled deliveries of a broker.
    private struct Broker {
        var held: [UInt64] = []
        var accepted: Set<UInt64> = []
        var rejected: Set<UInt64> = []

        mutating func perform(_ action: AckWindow.Action) {
            switch action {
            case .reject(let tag):
                #expect(held.contains(tag), "406 unknown delivery tag \(tag)")
                held.removeAll { $0 == tag }
                rejected.insert(tag)
            case .ack(let tag, let multiple):
                #expect(held.contains(tag), "406 unknown delivery tag \(tag)")
                accepted.formUnion(held.filter { multiple ? $0 <= tag : $0 == tag })
                held.removeAll { multiple ? $0 <= tag : $0 == tag }
            }
        }
    }

    @Test(arguments: 0..<2_000)
    func everyDeliveryIsSettledOnceAsDecided(seed: Int) {
        var random = TestRandom(seed)
        var broker = Broker()
        var window = AckWindow()
        var groups: [[UInt64]] = []
        var next: UInt64 = 1
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            let size = UInt64.random(in: 1...6, using: &random)
            groups.append(Array(next..<next + size))
            next += size
        }
        for tag in 1..<next {
            broker.held.append(tag)
            window.deliver(tag)
        }
        if seed % 2 == 0 { groups.shuffle(using: &random) }
        var (accepted, rejected): (Set<UInt64>, Set<UInt64>) = ([], [])
        for group in groups {
            let rejectedTags = group.filter { _ in Int.random(in: 0..<4, using: &random) == 0 }
            let acceptedTags = group.filter { !rejectedTags.contains($0) }
            accepted.formUnion(acceptedTags)
            rejected.formUnion(rejectedTags)
            for action in window.settle(accepted: acceptedTags, rejected: rejectedTags) { broker.perform(action) }
            // No delivery is acknowledged before its decision.
            #expect(broker.accepted.isSubset(of: accepted))
        }
        #expect(broker.held.isEmpty)
        #expect(broker.accepted == accepted)
        #expect(broker.rejected == rejected)
        #expect(window.count == 0)
    }

    @Test func groupIsOneAcknowledgement() {
        var window = AckWindow()
        for tag in UInt64(1)...5 { window.deliver(tag) }
        #expect(window.settle(accepted: [1]) == [.ack(1, multiple: false)])
        #expect(window.settle(accepted: [2, 3, 4]) == [.ack(4, multiple: true)])
        #expect(window.settle(accepted: [], rejected: [5]) == [.reject(5)])
    }

    @Test func bodyBytesFallWithEachAcknowledgement() {
        var window = AckWindow()
        for tag in UInt64(1)...3 { window.deliver(tag, bytes: 100 * Int(tag)) }
        #expect(window.bodyBytes == 600)
        _ = window.settle(accepted: [2])
        #expect(window.bodyBytes == 600, "the first delivery is not settled")
        _ = window.settle(accepted: [1])
        #expect(window.bodyBytes == 300)
        _ = window.settle(accepted: [], rejected: [3])
        #expect(window.bodyBytes == 0 && window.count == 0)
    }
}
