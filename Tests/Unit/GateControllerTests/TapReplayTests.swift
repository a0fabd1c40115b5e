import GateController
import Runtime
import ScanModel
import TestSupport
import Testing

/// Files of taps that are replayed on standard input.
@Suite struct TapReplayTests {
    private func events(_ text: [UInt8]) throws -> [LineInput.Event] { try LineInput.events(of: text) }

    private static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]

    @Test func byteOrderMarkIsNotPartOfTheFirstLine() throws {
        #expect(try events(Self.mark + Array("04a1b201\nmore".utf8)) == [.line("04a1b201"), .line("more"), .end])
        #expect(try events(Self.mark + Array("04a1b201".utf8)) == [.line("04a1b201"), .end])
        // Only the first line may have one.
        let later = try events(Array("a\n".utf8) + Self.mark + Array("b\n".utf8))
        #expect(later == [.line("a"), .line("\u{FEFF}b"), .end])
    }

    @Test func lineOfUTF16SaysWhatToDo() {
        #expect(throws: TapLineError.encoding) { _ = try TapLine("0\u{0}4\u{0}a\u{0}1\u{0}") }
        #expect(TapLineError.encoding.description.contains("UTF-8"))
    }

    @Test func eachDayBeforeTheSnapshotsFirstOneIsADay() throws {
        let world = try LaneWorld { $0.readers = [Lane.Settings.Reader("stdin")] }
        try world.venue.install(version: 100, policy: #"{"antipassback":"hard"}"#, days: 0...2)
        try world.start()
        let hex = world.venue.hex(.delegate)
        for (number, time) in [
            "2026-11-20T10:00:00Z", "2026-11-21T03:59:59Z", "2026-11-21T04:00:00Z", "2026-11-22T10:00:00Z",
            "2026-11-23T03:59:59Z", "2026-11-23T10:00:00Z", "2026-11-28T03:00:00Z", "2026-11-28T05:00:00Z",
        ].enumerated() { world.lane.handleLine("\(hex),in,\(time)", number: number + 1) }
        #expect(try world.verdicts() == [0, 5, 0, 0, 5, 0, 0, 0])
    }

    @Test func timeOfAnAdmissionAfterTheTapIsNotNamed() throws {
        let world = try LaneWorld { $0.readers = [Lane.Settings.Reader("stdin")] }
        try world.venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        try world.start()
        let hex = world.venue.hex(.delegate)
        for (number, time) in ["2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", "2026-11-24T09:00:00Z"].enumerated() {
            world.lane.handleLine("\(hex),in,\(time)", number: number + 1)
        }
        #expect(try world.verdicts() == [0, 5, 5])
        let sinceMs = UTCTime.microseconds("2026-11-24T10:00:00Z").map { $0 / 1_000 }
        #expect(
            world.updates.results.map(\.earlier) == [
                nil, EarlierAdmission(atMs: sinceMs, gate: "Hall north"),
                EarlierAdmission(atMs: nil, gate: "Hall north"),
            ])
    }

    @Test func replayWithoutAnyTapFailsWithItsNumbers() throws {
        let venue = try LaneFixture()
        try venue.install(version: 100)
        let run = try Run.it("tapline-gate", venue.arguments(), input: "04 A1 B2 C3\n;\n\nIN\n")
        #expect(run.end == .exit(1) && run.lines.filter { $0.contains("admitted") }.isEmpty)
        #expect(run.errors.contains("3 of 4 lines of the input were no taps"))
        let good = try Run.it("tapline-gate", venue.arguments(), input: "\n\(venue.hex(.delegate))\n")
        #expect(good.end == .exit(0))
    }
}
