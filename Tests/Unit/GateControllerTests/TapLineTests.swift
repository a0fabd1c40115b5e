import AccessControl
import GateController
import ScanModel
import Testing

@Suite struct TapLineTests {
    @Test func lineWithUIDIsATap() throws {
        let tap = try #require(try TapLine("04a1B2c3"))
        #expect(tap.uid == [0x04, 0xa1, 0xb2, 0xc3] && tap.direction == .in && tap.atMs == nil)
    }

    @Test(arguments: [
        "04A1B2C3D4E5F6", "04:a1:b2:c3:d4:e5:f6", "  04a1b2c3d4e5f6 , in ", "04a1b2c3d4e5f6,\r", "04a1b2c3d4e5f6\r",
    ]) func uidSpellingsAreAccepted(_ line: String) throws {
        let tap = try #require(try TapLine(line))
        #expect(tap.uid == [0x04, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6] && tap.direction == .in && tap.atMs == nil)
    }

    @Test func directionAndTimeAreParsed() throws {
        #expect(try TapLine("04,out")?.direction == .out)
        let tap = try #require(try TapLine("04a1b2c3,out,2026-11-23T21:47:01.1239+01:00"))
        #expect(tap.direction == .out && tap.atMs == 1_795_466_821_123)
        #expect(try TapLine("04a1b2c3,,1970-01-01T00:00:00Z")?.atMs == 0)
        #expect(try TapLine("04a1b2c3,in,2199-12-31T23:59:59.999Z")?.atMs == Bounds.timesMs.upperBound - 1)
    }

    @Test func uidLengthIsLimited() throws {
        for count in [1, 4, 7, 10, 32] {
            #expect(try TapLine(String(repeating: "0a", count: count))?.uid.count == count)
        }
        #expect(throws: TapLineError.self) { try TapLine(String(repeating: "0a", count: 33)) }
    }

    @Test(arguments: ["", "   ", "\r"]) func blankLinesAreIgnored(_ line: String) throws {
        #expect(try TapLine(line) == nil)
    }

    @Test(arguments: [
        "04a", "xx", "04 a1", "04a1:b2", "04:a1:", ":", "0x04", "04a1b2c3,sideways", "04a1b2c3,IN",
        "04a1b2c3,in,", "04a1b2c3,in,yesterday", "04a1b2c3,in,2026-02-30T00:00:00Z", "04a1b2c3,in,1969-12-31T23:59:59Z",
        "04a1b2c3,in,2200-01-01T00:00:00Z", "04a1b2c3,in,2026-11-23T20:47:01Z,", ",in", "\u{661}\u{662}", "ﬀ",
    ]) func malformedLinesAreRejected(_ line: String) {
        let error = #expect(throws: TapLineError.self) { try TapLine(line) }
        // UIDs must not be logged.
        #expect(error?.description.contains("04a1") == false)
    }
}

@Suite struct DeviceClockTests {
    @Test func onlyAnEarlyUnsynchronisedClockIsUntrusted() {
        let (createdMs, scanMs): (Int64, Int64) = (1_800_000_000_000, 1_800_000_500_000)
        let earliestMs = DeviceClock.earliestMs
        let clock = DeviceClock(snapshotCreatedS: createdMs / 1_000, lastScanMs: scanMs)
        for (atMs, isSynchronised, expected) in [
            (scanMs, false, true), (scanMs - 1, false, false), (scanMs - 1, true, true), (createdMs - 1, false, false),
            (createdMs - 1, true, true), (0, false, false),
        ] as [(Int64, Bool, Bool)] { #expect(clock.isTrusted(atMs: atMs) { isSynchronised } == expected) }
        #expect(DeviceClock().isTrusted(atMs: earliestMs) { false } && !DeviceClock().isTrusted(atMs: 0) { false })
        #expect(!DeviceClock(snapshotCreatedS: createdMs / 1_000).isTrusted(atMs: createdMs - 1) { false })
        #expect(!DeviceClock(lastScanMs: scanMs).isTrusted(atMs: scanMs - 1) { false })
    }
}
