import Testing

@testable import HTTPServer

/// Who is slow, and who is too slow. Looked at every 5 s, as the center does.
@Suite struct AnswerPaceTests {
    /// Seconds until a client is let go that has `bytes(s)` after so many seconds; nil: not within an hour.
    private func end(_ bytes: (Int) -> Int) -> Int? {
        let limits = HTTPListener.Limits()
        var pace = AnswerPace(bytes: Int64(bytes(0)), nowS: 1_000)
        return stride(from: 5, through: 3_600, by: 5).first {
            pace.isTooSlow(
                bytes: Int64(bytes($0)), nowS: 1_000 + $0, least: limits.answerBytes, limitS: limits.answerS)
        }
    }

    @Test func aSlowLinkIsServedToTheEnd() {
        // 16 kbit/s; a tenth of it; and one that is cut every other half a minute.
        #expect(end { $0 * 2_000 } == nil)
        #expect(end { $0 * 200 } == nil)
        #expect(end { $0 / 60 * 60_000 + min($0 % 60, 30) * 2_000 } == nil)
    }

    @Test func someBytesNowAndThenHoldNoPlace() {
        #expect(end { _ in 0 } == 60)
        #expect(end { $0 / 29 * 100 } == 60)
        #expect(end { $0 * 90 } == 60)
        // What an earlier answer on the connection took, or the first minutes of this one, does not count.
        #expect(end { _ in 1 << 30 } == 60)
        #expect(end { min($0, 300) * 2_000 } == 360)
    }
}
