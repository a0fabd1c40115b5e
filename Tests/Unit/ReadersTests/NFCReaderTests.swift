import DeviceEmulation
import Glibc
import LinuxSystem
import ScanModel
import SerialPorts
import Synchronization
import TestSupport
import Testing

@testable import Readers

/// A reader on the real libnfc, whose chip is emulated.
@Suite(.serialized) struct NFCReaderTests {
    private static let uid: [UInt8] = [0x04, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66]
    private static let tap = Tap(.uid(uid), proof: .uid)

    @Test(arguments: [4, 7, 10])
    func aTagIsOneTapHoweverLongItStays(length: Int) throws {
        let bench = try NFCBench()
        try bench.start(direction: .out)
        let uid = Array(([0x04] + (1...9).map { UInt8($0) }).prefix(length))
        bench.chip.present(.plain(uid))
        try bench.hears(.tap(Tap(.uid(uid), proof: .uid, direction: .out)))
        try bench.looks(10)
        #expect(bench.heard == [])
        // Another takes its place without a gap, and the first comes back.
        bench.chip.present(.plain([9, 9, 9, 9]))
        try bench.hears(.tap(Tap(.uid([9, 9, 9, 9]), proof: .uid, direction: .out)))
        try bench.clear()
        bench.chip.present(.plain(uid))
        try bench.hears(.tap(Tap(.uid(uid), proof: .uid, direction: .out)))
    }

    @Test func aRandomUIDIsSaidToBeOne() throws {
        let bench = try NFCBench()
        try bench.start()
        bench.chip.present(.plain([0x08, 1, 2, 3]))
        try bench.hears(.tap(Tap(.uid([0x08, 1, 2, 3]), proof: .randomUID)))
        // As such a chip does at every reset of the field.
        for number in 2...5 {
            bench.chip.present(.plain([0x08, UInt8(number), 2, 3]))
            try bench.looks(2)
        }
        #expect(bench.heard == [])
    }

    @Test func twentyTimesPulledOutAndPutBack() throws {
        let bench = try NFCBench()
        try bench.start()
        for _ in 1...20 {
            bench.chip.unplug()
            try bench.hearsLost()
            try bench.chip.plug()
            try bench.hears(.back)
            bench.chip.present(.plain(NFCReaderTests.uid))
            try bench.hears(.tap(NFCReaderTests.tap))
            try bench.clear()
        }
        #expect(bench.heard == [])
    }

    @Test(arguments: PN532Fault.allCases.filter { $0 != .none })
    func aReaderOutOfOrderHealsByItself(fault: PN532Fault) throws {
        let bench = try NFCBench()
        try bench.start()
        bench.chip.fault = fault
        try bench.hearsLost()
        bench.chip.fault = .none
        try bench.hears(.back)
        bench.chip.present(.plain(NFCReaderTests.uid))
        try bench.hears(.tap(NFCReaderTests.tap))
    }

    @Test(arguments: PN532Fault.allCases.filter { $0 != .none })
    func aReaderOutOfOrderAtTheStart(fault: PN532Fault) throws {
        let bench = try NFCBench()
        bench.chip.fault = fault
        try bench.start(waits: false)
        try bench.hearsLost()
        bench.chip.fault = .none
        try bench.hears(.back)
    }

    @Test func aResetIsHealed() throws {
        let bench = try NFCBench()
        try bench.start()
        bench.chip.reset()
        try bench.hearsLost()
        try bench.hears(.back)
        bench.chip.present(.plain(NFCReaderTests.uid))
        try bench.hears(.tap(NFCReaderTests.tap))
    }

    @Test func aReaderThatForgotItsRadioIsSetUpAnewUnasked() throws {
        let bench = try NFCBench()
        try bench.start(selfTestMs: 500)
        bench.chip.brownOut()
        bench.chip.present(.plain(NFCReaderTests.uid))
        // No alarm: the self-test is as quick as a tap.
        try bench.hears(.tap(NFCReaderTests.tap))
    }

    /// The self-test opens the reader anew: whoever taps in that moment is read, once, and the lane hears nothing of it.
    @Test func noTapIsLostInASelfTest() throws {
        let bench = try NFCBench()
        // Opened anew after every look that finds nothing.
        try bench.start(selfTestMs: 0)
        for round in 1...20 {
            let uid: [UInt8] = [0x04, 1, 2, 3, 4, 5, UInt8(round)]
            // Some moment of the opening.
            usleep(.random(in: 0...60_000))
            bench.chip.present(.plain(uid))
            try bench.hears(.tap(Tap(.uid(uid), proof: .uid)))
            bench.chip.removeTag()
        }
        #expect(bench.heard == [])
    }

    /// One alarm, however often it can be opened.
    @Test func aReaderThatOpensAndThenFailsIsOutOfOrder() throws {
        let bench = try NFCBench()
        try bench.start()
        bench.chip.fault = .radio
        try bench.hearsLost()
        let opened = bench.chip.count(of: 0x14)
        try eventually("opened again and again", everyMs: 5) { bench.chip.count(of: 0x14) >= opened + 5 }
        #expect(bench.heard == [])
        bench.chip.fault = .none
        try bench.hears(.back)
    }

    /// A supply that the first tag pulls down: it opens, reads the tag, and is gone. The tags count, and there is one alarm.
    @Test func aReaderThatNeverStaysWellDoesNotFlicker() throws {
        let bench = try NFCBench()
        try bench.start(settledMs: 600_000)
        for round in 1...4 {
            let uid: [UInt8] = [0x04, 0, 0, UInt8(round)]
            bench.chip.present(.plain(uid))
            try bench.hears(.tap(Tap(.uid(uid), proof: .uid)))
            let opened = bench.chip.count(of: 0x14)
            bench.chip.fault = .radio
            if round == 1 { try bench.hearsLost() }
            try eventually("opened again", everyMs: 5) { bench.chip.count(of: 0x14) > opened }
            bench.chip.removeTag()
            bench.chip.fault = .none
        }
        #expect(bench.heard == [])
    }

    /// The watchdog gave a call up that then ended well.
    @Test func aReaderThatWasOnlySlowIsBack() throws {
        let bench = try NFCBench()
        try bench.start()
        let opened = bench.chip.count(of: 0x14)
        bench.reader?.health.lost(.other("slow"))
        try bench.hears(.lost(.other("slow")))
        try bench.hears(.back)
        #expect(bench.chip.count(of: 0x14) == opened, "by a look, not by a self-test")
    }

    /// What a lane that stood still could not take is told once it can.
    @Test func aFullMailboxHearsOfItLater() throws {
        let bench = try NFCBench()
        try bench.start()
        bench.isFull.store(true, ordering: .releasing)
        bench.chip.unplug()
        try eventually("lost, and not taken", everyMs: 5) { !bench.refused.isEmpty }
        bench.isFull.store(false, ordering: .releasing)
        try bench.hearsLost()
        bench.isFull.store(true, ordering: .releasing)
        try bench.chip.plug()
        try eventually("back, and not taken", everyMs: 5) { bench.refused.last == .back }
        bench.isFull.store(false, ordering: .releasing)
        try bench.hears(.back)
        try bench.looks(atNothing: 5)
        #expect(bench.heard == [], "each once")
    }

    @Test func aPortThatAnotherHasIsLeftAlone() throws {
        let bench = try NFCBench()
        var other: PortLock? = try PortLock(bench.chip.path)
        try bench.start(waits: false)
        #expect(try bench.hearsLost().contains("busy"))
        #expect(bench.chip.count(of: 0x14) == 0)
        withExtendedLifetime(other) {}
        other = nil
        try bench.hears(.back)
        // And ours is locked while we have it.
        #expect(throws: SystemError.self) { try PortLock(bench.chip.path) }
        bench.stop()
        _ = try PortLock(bench.chip.path)
    }

    @Test func twoReadersAtOnce() throws {
        let (one, other) = (try NFCBench(), try NFCBench())
        try one.start()
        try other.start(direction: .out)
        one.chip.unplug()
        try one.hearsLost()
        other.chip.present(.plain(NFCReaderTests.uid))
        try other.hears(.tap(Tap(.uid(NFCReaderTests.uid), proof: .uid, direction: .out)))
        try one.chip.plug()
        try one.hears(.back)
        #expect(other.heard == [])
    }

    @Test func theOnlyReaderIsFound() throws {
        let bench = try NFCBench(link: NFCBench.listed)
        try bench.start(isListed: true)
        bench.chip.present(.plain(NFCReaderTests.uid))
        try bench.hears(.tap(NFCReaderTests.tap))
    }
}
