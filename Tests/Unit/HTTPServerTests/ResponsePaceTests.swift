import Testing

@testable import HTTPServer

/// Minimum speed of a reader, checked every 5 s as in the center.
@Suite struct ResponsePaceTests {
    /// Returns the seconds until a client with `bytes(s)` received after s seconds is disconnected; `nil` if it stays
    /// for an hour.
    private func end(_ bytes: (Int) -> Int) -> Int? {
        let limits = HTTPListener.Limits()
        var pace = ResponsePace(bytes: Int64(bytes(0)), nowS: 1_000)
        return stride(from: 5, through: 3_600, by: 5).first {
            pace.isTooSlow(
                bytes: Int64(bytes($0)), nowS: 1_000 + $0, least: limits.responseBytes, limitS: limits.responseS)
        }
    }

    @Test func slowLinkIsServedToTheEnd() {
        // 16 kbit/s, 1.6 kbit/s, and a link that is interrupted for 30 s every minute.
        #expect(end { $0 * 2_000 } == nil)
        #expect(end { $0 * 200 } == nil)
        #expect(end { $0 / 60 * 60_000 + min($0 % 60, 30) * 2_000 } == nil)
    }

    @Test func almostIdleClientIsDisconnected() {
        #expect(end { _ in 0 } == 60)
        #expect(end { $0 / 29 * 100 } == 60)
        #expect(end { $0 * 90 } == 60)
        // Earlier responses on the connection and the first minutes of this one do not count.
        #expect(end { _ in 1 << 30 } == 60)
        #expect(end { min($0, 300) * 2_000 } == 360)
    }
}
