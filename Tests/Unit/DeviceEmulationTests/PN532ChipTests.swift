import Crypto
import TestSupport
import Testing

@testable import DeviceEmulation

@Suite struct PN532ChipTests {
    private static let wakeUp: [UInt8] = [0x55, 0x55, 0, 0, 0]
    private static let ack = PN532Frame.acknowledgement
    private static let samConfiguration: [UInt8] = [0x14, 0x01, 0x14, 0x01]

    /// A command as a host sends it.
    static func frame(_ body: [UInt8]) -> [UInt8] {
        let text = [0xd4] + body
        return [0, 0, 0xff, UInt8(text.count), 0 &- UInt8(text.count)] + text + [0 &- text.reduce(0, &+), 0]
    }

    /// The response of the chip to a command, without the acknowledgement; `nil` without one.
    private static func ask(_ chip: inout PN532Chip, _ body: [UInt8], at nowMs: Int64 = 0) -> [UInt8]? {
        chip.receive(frame(body), nowMs: nowMs)
        let output = chip.output(nowMs: nowMs)
        guard output.starts(with: ack), output.count > ack.count else { return nil }
        return Array(output.dropFirst(ack.count))
    }

    private static func awake() -> PN532Chip {
        var chip = PN532Chip()
        chip.receive(wakeUp, nowMs: 0)
        _ = ask(&chip, samConfiguration)
        return chip
    }

    @Test func sleepingChipIgnoresCommandsUntilWakeUp() {
        var chip = PN532Chip()
        #expect(Self.ask(&chip, [0x02]) == nil)
        chip.receive(Self.wakeUp, nowMs: 0)
        let version = PN532Frame.response(0x02, [0x32, 0x01, 0x06, 0x07])
        #expect(Self.ask(&chip, [0x02]) == version)
        #expect(Self.ask(&chip, [0x16, 0xf0]) == PN532Frame.response(0x16, [0x00]))
        #expect(Self.ask(&chip, [0x02]) == nil, "asleep after PowerDown")
        chip.receive(Self.wakeUp, nowMs: 0)
        #expect(Self.ask(&chip, [0x02]) == version)
        chip.power(true, nowMs: 0)
        #expect(Self.ask(&chip, [0x02]) == nil, "asleep after power-on")
    }

    @Test func splitFrameAfterNoiseIsExecuted() {
        let command = Self.frame([0x00, 0x00, 0x61, 0x62])
        let expected = Self.ack + PN532Frame.response(0x00, [0x00, 0x61, 0x62])
        // The chip does not wait for the last byte, the postamble.
        for cut in 1..<(command.count - 1) {
            var chip = Self.awake()
            chip.receive([0x00, 0x13, 0xff] + command[..<cut], nowMs: 0)
            #expect(chip.output(nowMs: 0) == [])
            chip.receive(Array(command[cut...]), nowMs: 0)
            #expect(chip.output(nowMs: 0) == expected, "cut at \(cut)")
        }
    }

    @Test func frameWithChangedByteIsIgnored() {
        let command = Self.frame([0x00, 0x00, 0x61, 0x62])
        for index in 2..<(command.count - 1) {
            var (chip, bytes) = (Self.awake(), command)
            bytes[index] ^= 0x10
            chip.receive(bytes, nowMs: 0)
            #expect(chip.output(nowMs: 0) == [], "byte \(index)")
        }
    }

    @Test func chipAnswersAfterRandomBytes() {
        var random = TestRandom(seed: 11)
        var chip = Self.awake()
        for _ in 0..<2_000 {
            let count = Int.random(in: 1...300, using: &random)
            let pool: [UInt8] = [0x00, 0xff, 0xd4, 0x01, UInt8.random(in: 0...255, using: &random)]
            chip.receive((0..<count).map { _ in pool.randomElement(using: &random)! }, nowMs: 0)
            _ = chip.output(nowMs: 0)
        }
        // Noise can look like the header of a long frame, which then includes the next bytes. A host without an answer
        // repeats its command.
        let version = PN532Frame.response(0x02, [0x32, 0x01, 0x06, 0x07])
        let wakes = (0..<100).contains { _ in
            chip.receive(Self.wakeUp, nowMs: 0)
            chip.receive(Self.frame([0x02]), nowMs: 0)
            return chip.output(nowMs: 0).suffix(version.count) == version[...]
        }
        #expect(wakes)
    }

    @Test func longResponseUsesExtendedFrame() {
        let frame = PN532Frame.response(0x40, [UInt8](repeating: 7, count: 258))
        #expect(frame[3] == 0xff && frame[4] == 0xff)
        #expect(frame[5] == 0x01 && frame[6] == 0x04 && frame[5] &+ frame[6] &+ frame[7] == 0)
        #expect(frame.count == 8 + 260 + 2)
        #expect(frame[8...].dropLast().reduce(0, &+) == 0)
        #expect(PN532Frame.response(0x40, [UInt8](repeating: 7, count: 253)).count == 5 + 255 + 2)
    }

    @Test func otherModulationsFindNoTag() {
        var chip = Self.awake()
        chip.put(.plain([1, 2, 3, 4]))
        for modulation in UInt8(1)...4 {
            #expect(Self.ask(&chip, [0x4a, 1, modulation]) == PN532Frame.response(0x4a, [0]))
        }
        #expect(Self.ask(&chip, [0x60, 1, 1, 0x23]) == nil, "searching for a type B tag")
        #expect(chip.selections == 0)
        #expect(
            Self.ask(&chip, [0x4a, 1, 0]) == PN532Frame.response(0x4a, [1, 1, 0x00, 0x04, 0x08, 4, 1, 2, 3, 4]))
        #expect(chip.selections == 1 && chip.isReported)
        #expect(Self.ask(&chip, [0x99]) == PN532Frame.applicationError)
    }

    @Test func autoPollAnswersOnTagAndAtTimeOut() {
        var chip = Self.awake()
        #expect(Self.ask(&chip, [0x60, 2, 1, 0x20, 0x10], at: 1_000) == nil)
        #expect(chip.deadlineMs == 1_600)
        #expect(chip.output(nowMs: 1_599) == [])
        #expect(chip.output(nowMs: 1_600) == PN532Frame.response(0x60, [0]))
        #expect(chip.deadlineMs == nil)

        #expect(Self.ask(&chip, [0x60, 0xff, 1, 0x20, 0x10]) == nil)
        #expect(chip.deadlineMs == nil, "endless")
        chip.put(.plain([1, 2, 3, 4]))
        let report: [UInt8] = [1, 0x00, 0x04, 0x08, 4, 1, 2, 3, 4]
        #expect(chip.output(nowMs: 9_000) == PN532Frame.response(0x60, [1, 0x10, UInt8(report.count)] + report))

        chip.put(nil)
        #expect(Self.ask(&chip, [0x60, 0xff, 1, 0x10]) == nil)
        chip.receive(Self.ack, nowMs: 0)  // the host aborts the command
        chip.put(.plain([1, 2, 3, 4]))
        #expect(chip.output(nowMs: 0) == [])
    }

    @Test func radioWorksAgainAfterConfiguration() {
        var chip = Self.awake()
        chip.put(.plain([1, 2, 3, 4]))
        _ = Self.ask(&chip, [0x32, 5, 0xff, 1, 0x02])
        chip.brownOut()
        #expect(Self.ask(&chip, [0x02]) == PN532Frame.response(0x02, [0x32, 0x01, 0x06, 0x07]))
        #expect(Self.ask(&chip, [0x4a, 1, 0]) == PN532Frame.response(0x4a, [0]))
        _ = Self.ask(&chip, Self.samConfiguration)
        #expect(
            Self.ask(&chip, [0x4a, 1, 0]) == PN532Frame.response(0x4a, [1, 1, 0x00, 0x04, 0x08, 4, 1, 2, 3, 4]))
    }

    @Test func searchFindsOnlyTheRequestedUID() {
        var chip = Self.awake()
        chip.put(.plain([1, 2, 3, 4, 5, 6, 7]))
        #expect(Self.ask(&chip, [0x4a, 1, 0, 0x88, 1, 2, 3, 4, 5, 6, 7])?.count ?? 0 > 15)
        #expect(Self.ask(&chip, [0x4a, 1, 0, 0x88, 1, 2, 3, 4, 5, 6, 8]) == PN532Frame.response(0x4a, [0]))
        #expect(
            PN532Chip.cascaded([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) == [0x88, 0, 1, 2, 0x88, 3, 4, 5, 6, 7, 8, 9])
    }

    @Test func exchangeTimesOutAfterTagLeft() {
        var chip = Self.awake()
        var tag = EmulatedTag.type4([4, 2, 3, 4, 5, 6, 7], Type4Application(url: "https://a.example"))
        tag.leavesAfter = 1
        chip.put(tag)
        _ = Self.ask(&chip, [0x4a, 1, 0])
        let select: [UInt8] = [0x40, 1, 0x00, 0xa4, 0x04, 0x00, 0x07, 0xd2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x00]
        #expect(Self.ask(&chip, select) == PN532Frame.response(0x40, [0x00, 0x90, 0x00]))
        #expect(Self.ask(&chip, select) == PN532Frame.response(0x40, [0x01]), "time-out")
        _ = Self.ask(&chip, [0x32, 5, 0xff, 1, 0x02])
        #expect(Self.ask(&chip, [0x4a, 1, 0]) == PN532Frame.response(0x4a, [0]))
    }

    @Test func faultsChangeTheResponses() {
        let expected = PN532Frame.response(0x02, [0x32, 0x01, 0x06, 0x07])
        func output(_ fault: PN532Fault) -> [UInt8] {
            var chip = Self.awake()
            chip.fault = fault
            chip.receive(Self.frame([0x02]), nowMs: 0)
            return chip.output(nowMs: 0)
        }
        #expect(output(.none) == Self.ack + expected)
        #expect(output(.silence) == [])
        #expect(output(.acknowledge) == Self.ack)
        #expect(!output(.garbage).isEmpty && !output(.garbage).starts(with: Self.ack))
        let wrong = output(.checksum)
        #expect(wrong.count == Self.ack.count + expected.count && wrong != Self.ack + expected)
        var chip = Self.awake()
        #expect(Self.ask(&chip, [0x60, 0xff, 1, 0x10]) == nil)
        chip.fault = .silence
        chip.put(.plain([1, 2, 3, 4]))
        #expect(chip.output(nowMs: 0) == [], "no response after the fault began during a search")
        let half = output(.half)
        #expect(half.count < Self.ack.count + expected.count && half.starts(with: Self.ack))
    }
}
