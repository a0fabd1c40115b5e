import GateController
import Runtime
import ScanModel
import Testing

/// "Already inside" says since when and at which gate.
@Suite struct EarlierAdmissionTests {
    private func world(_ policy: String, _ format: VerdictLine.Format = .json) throws -> LaneWorld {
        let world = try LaneWorld { $0.format = format }
        try world.venue.install(version: 100, policy: policy)
        try world.start()
        return world
    }

    private func text(_ ms: Int64) -> String { UTCTime.text(microseconds: ms * 1_000) }

    @Test func rejectionNamesTimeAndGateOfTheAdmission() throws {
        let world = try world(#"{"antipassback":"hard","debounce_ms":2000}"#)
        let sinceMs = world.device.now.trueMs
        world.tap(.delegate)
        world.advance(600_000)
        // A restart knows it from the journal.
        try world.start()
        let rejection = try #require(world.tap(.delegate))
        #expect(rejection.scan.verdict == .alreadyInside)
        #expect(rejection.earlier == EarlierAdmission(atMs: sinceMs, gate: "Hall north"))
        let json = #","inside":{"since":"\#(text(sinceMs))","gate":"Hall north"}}"#
        #expect(world.output.lines.last?.hasSuffix(json) == true)
        #expect(world.output.lines.first?.contains("inside") == false)
        let again = try #require(world.tap(.delegate))
        #expect(again.isRepeat && again.earlier == rejection.earlier)
    }

    @Test func softAntiPassbackNamesTheFormerAdmission() throws {
        let world = try world(#"{"antipassback":"soft","debounce_ms":2000}"#, .text)
        let sinceMs = world.device.now.trueMs
        world.tap(.delegate)
        world.advance(600_000)
        #expect(world.tap(.delegate)?.earlier == EarlierAdmission(atMs: sinceMs, gate: "Hall north"))
        #expect(world.output.lines.last?.contains("  [since \(text(sinceMs)) at Hall north]") == true)
        #expect(world.tap(.delegate)?.earlier?.atMs == sinceMs)
    }

    @Test func admissionUnderADoubtedClockHasNoTime() throws {
        let world = try world(#"{"antipassback":"hard","debounce_ms":0}"#)
        world.setClock(offMs: -40 * 24 * 3_600_000)
        world.tap(.delegate)
        world.advance(1_000)
        #expect(world.tap(.delegate)?.earlier == EarlierAdmission(atMs: nil, gate: "Hall north"))
    }
}
