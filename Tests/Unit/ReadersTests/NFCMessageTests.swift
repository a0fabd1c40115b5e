import Crypto
import DeviceEmulation
import ScanModel
import TestSupport
import Testing

@testable import Readers

/// Chips with secure messages, read with the real libnfc.
@Suite(.serialized) struct NFCMessageTests {
    private static let uid: [UInt8] = [0x04, 0x95, 0x8c, 0xaa, 0x5c, 0x5e, 0x80]
    private static let meta = AES128(key: [UInt8](repeating: 0x11, count: 16))!
    private static let master = AES128(key: [UInt8](repeating: 0x22, count: 16))!
    private static let keys = SecureMessageKeys([
        .init(meta: meta, file: master, diversification: .uid(system: [0x54]))
    ])
    private static let own = CMAC.diversifiedKey(of: master, input: uid + [0x54])

    private func chip(_ file: AES128 = own, counter: UInt32 = 0) -> EmulatedTag {
        .type4(
            NFCMessageTests.uid,
            Type4Application(
                sun: SunChip(
                    uid: NFCMessageTests.uid, meta: NFCMessageTests.meta, file: file, counter: counter)))
    }

    @Test func messageIsVerifiedAtEachArrival() throws {
        let bench = try NFCFixture()
        try bench.start(keys: NFCMessageTests.keys, direction: .out)
        for counter in [41, 42] {
            bench.chip.present(chip(counter: UInt32(counter - 1)))
            let tap = Tap(.sun(NFCMessageTests.uid), proof: .authentic(counter: Int64(counter)), direction: .out)
            try bench.hears(.tap(tap))
            // The message is read once per arrival.
            let exchanges = bench.chip.exchanges
            try bench.polls(5)
            #expect(bench.chip.exchanges == exchanges)
            try bench.clear()
        }
        #expect(bench.heard == [])
    }

    @Test func forgedMessageKeepsPlainUID() throws {
        let bench = try NFCFixture()
        try bench.start(keys: NFCMessageTests.keys)
        // The chip has the master key instead of the derived one.
        bench.chip.present(chip(NFCMessageTests.master))
        try bench.hears(.tap(Tap(.uid(NFCMessageTests.uid), proof: .forged)))
    }

    @Test func messageIsNotReadWithoutKeys() throws {
        let bench = try NFCFixture()
        try bench.start()
        bench.chip.present(chip())
        try bench.hears(.tap(Tap(.uid(NFCMessageTests.uid), proof: .uid)))
        #expect(bench.chip.exchanges == 0)
    }

    @Test(arguments: [Type4Application.Behavior.foreign, .noise(seed: 1), .noise(seed: 2), .noise(seed: 3)])
    func chipWithInvalidAnswersIsIdentifiedByUID(behavior: Type4Application.Behavior) throws {
        let bench = try NFCFixture()
        try bench.start(keys: NFCMessageTests.keys)
        bench.chip.present(.type4(NFCMessageTests.uid, Type4Application(message: [], behavior: behavior)))
        try bench.hears(.tap(Tap(.uid(NFCMessageTests.uid), proof: .uid)))
    }

    // A complete read takes five exchanges.
    @Test(arguments: 0..<5)
    func chipThatLeavesDuringReadIsNotReported(exchanges: Int) throws {
        let bench = try NFCFixture()
        try bench.start(keys: NFCMessageTests.keys)
        var leaving = chip(counter: 7)
        leaving.leavesAfter = exchanges
        let before = bench.chip.exchanges
        bench.chip.present(leaving)
        if exchanges > 0 {
            try eventually("left", everyMs: 5) { bench.chip.exchanges > before + exchanges }
        }
        // The chip is presented again.
        bench.chip.present(chip(counter: 8))
        try bench.hears(.tap(Tap(.sun(NFCMessageTests.uid), proof: .authentic(counter: 9))))
        #expect(bench.heard == [])
    }
}
