import Testing

@testable import Ingest

/// Tests the verdict about the message that the broker must keep.
struct CanaryStateTests {
    private static let hour: Int64 = 3_600_000_000

    @Test func firstCheckPlacesACanaryWithoutAWarning() {
        var state = CanaryState()
        let isNeeded = state.record(messages: 0, nowMicros: 5)
        #expect(isNeeded && state == CanaryState(placedMicros: 5))
        // A new database on a broker that has a canary already.
        var known = CanaryState()
        let isAgain = known.record(messages: 1, nowMicros: 5)
        #expect(!isAgain && known == CanaryState(placedMicros: 5))
    }

    @Test func lostCanaryIsReportedUntilAnotherOneLivesLonger() {
        var state = CanaryState(placedMicros: 0)
        let isNeeded = state.record(messages: 0, nowMicros: 24 * Self.hour)
        #expect(isNeeded && state.lostAfterMicros == 24 * Self.hour)
        // The next one is as old as the lost one was, then older.
        _ = state.record(messages: 1, nowMicros: 48 * Self.hour)
        #expect(state == CanaryState(placedMicros: 24 * Self.hour, lostAfterMicros: 24 * Self.hour))
        let isReplaced = state.record(messages: 1, nowMicros: 49 * Self.hour)
        #expect(isReplaced && state == CanaryState(placedMicros: 49 * Self.hour))
        var short = CanaryState(placedMicros: 0, lostAfterMicros: Self.hour)
        _ = short.record(messages: 1, nowMicros: 3 * Self.hour)
        #expect(short.lostAfterMicros == Self.hour)
        _ = short.record(messages: 1, nowMicros: 4 * Self.hour)
        #expect(short == CanaryState(placedMicros: 0))
    }

    /// A policy applies only to messages that are published after it.
    @Test func canaryIsReplacedAtTheStartAndDaily() {
        var state = CanaryState(placedMicros: 0)
        let atStart = state.record(messages: 1, nowMicros: Self.hour, isFirst: true)
        let later = state.record(messages: 1, nowMicros: 25 * Self.hour)
        let nextDay = state.record(messages: 1, nowMicros: 26 * Self.hour)
        #expect(atStart && !later && nextDay && state == CanaryState(placedMicros: 26 * Self.hour))
    }

    @Test func findingsNameTheQueueAndTheCause() {
        var findings = BrokerFindings()
        #expect(findings.warnings == [])
        findings.deadLetters = 3
        findings.canary.lostAfterMicros = 2 * Self.hour
        #expect(findings.warnings.map(\.queue) == [Topology.dead, Topology.canary])
        #expect(findings.warnings[0].text.contains("3 messages"))
        #expect(findings.warnings[1].text.contains("within 121 min"))
        findings.outdated = ["tapline.scans.2"]
        #expect(findings.warnings.last?.queue == "tapline.scans.2")
        #expect(findings.warnings.last?.text.contains("x-delivery-limit") == true)
    }
}
