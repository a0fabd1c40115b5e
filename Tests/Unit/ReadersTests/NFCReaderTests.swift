import DeviceEmulation
import Glibc
import LinuxSystem
import ScanModel
import SerialPorts
import Synchronization
import TestSupport
import Testing

@testable import Readers

/// A reader with the real libnfc and an emulated PN532.
@Suite(.serialized) struct NFCReaderTests {
    private static let uid: [UInt8] = [0x04, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66]
    private static let tap = Tap(.uid(uid), proof: .uid)

    @Test(arguments: [4, 7, 10])
    func tagIsReportedOncePerArrival(length: Int) throws {
        let bench = try NFCFixture()
        try bench.start(direction: .out)
        let uid = Array(([0x04] + (1...9).map { UInt8($0) }).prefix(length))
        bench.chip.present(.plain(uid))
        try bench.hears(.tap(Tap(.uid(uid), proof: .uid, direction: .out)))
        try bench.polls(10)
        #expect(bench.heard == [])
        // Another tag replaces it without a gap, and the first one returns.
        bench.chip.present(.plain([9, 9, 9, 9]))
        try bench.hears(.tap(Tap(.uid([9, 9, 9, 9]), proof: .uid, direction: .out)))
        try bench.clear()
        bench.chip.present(.plain(uid))
        try bench.hears(.tap(Tap(.uid(uid), proof: .uid, direction: .out)))
    }

    @Test func randomUIDIsMarkedAsRandom() throws {
        let bench = try NFCFixture()
        try bench.start()
        bench.chip.present(.plain([0x08, 1, 2, 3]))
        try bench.hears(.tap(Tap(.uid([0x08, 1, 2, 3]), proof: .randomUID)))
        // Such a chip has another UID after each reset of the field.
        for number in 2...5 {
            bench.chip.present(.plain([0x08, UInt8(number), 2, 3]))
            try bench.polls(2)
        }
        #expect(bench.heard == [])
    }

    @Test func readerWorksAfterTwentyReconnects() throws {
        let bench = try NFCFixture()
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
    func readerRecoversFromFault(fault: PN532Fault) throws {
        let bench = try NFCFixture()
        try bench.start()
        bench.chip.fault = fault
        try bench.hearsLost()
        bench.chip.fault = .none
        try bench.hears(.back)
        bench.chip.present(.plain(NFCReaderTests.uid))
        try bench.hears(.tap(NFCReaderTests.tap))
    }

    @Test(arguments: PN532Fault.allCases.filter { $0 != .none })
    func readerRecoversFromFaultAtStart(fault: PN532Fault) throws {
        let bench = try NFCFixture()
        bench.chip.fault = fault
        try bench.start(waits: false)
        try bench.hearsLost()
        bench.chip.fault = .none
        try bench.hears(.back)
    }

    @Test func readerRecoversFromReset() throws {
        let bench = try NFCFixture()
        try bench.start()
        bench.chip.reset()
        try bench.hearsLost()
        try bench.hears(.back)
        bench.chip.present(.plain(NFCReaderTests.uid))
        try bench.hears(.tap(NFCReaderTests.tap))
    }

    @Test func readerIsReconfiguredAfterLosingItsSettings() throws {
        let bench = try NFCFixture()
        try bench.start(selfTestMs: 500)
        bench.chip.brownOut()
        bench.chip.present(.plain(NFCReaderTests.uid))
        // The self-test is short and causes no alarm.
        try bench.hears(.tap(NFCReaderTests.tap))
    }

    /// The self-test reopens the reader. A tag that arrives during it is reported once, without an alarm.
    @Test func noTapIsLostDuringSelfTest() throws {
        let bench = try NFCFixture()
        // The reader is reopened after each empty poll.
        try bench.start(selfTestMs: 0)
        for round in 1...20 {
            let uid: [UInt8] = [0x04, 1, 2, 3, 4, 5, UInt8(round)]
            // A random moment of the opening.
            usleep(.random(in: 0...60_000))
            bench.chip.present(.plain(uid))
            try bench.hears(.tap(Tap(.uid(uid), proof: .uid)))
            bench.chip.removeTag()
        }
        #expect(bench.heard == [])
    }

    @Test func readerThatFailsAfterOpeningCausesOneAlarm() throws {
        let bench = try NFCFixture()
        try bench.start()
        bench.chip.fault = .radio
        try bench.hearsLost()
        let opened = bench.chip.count(of: 0x14)
        try eventually("reopened five times", everyMs: 5) { bench.chip.count(of: 0x14) >= opened + 5 }
        #expect(bench.heard == [])
        bench.chip.fault = .none
        try bench.hears(.back)
    }

    /// The reader opens, reads a tag, and fails, as with a weak supply. The taps count, and there is one alarm.
    @Test func weakReaderCausesOneAlarm() throws {
        let bench = try NFCFixture()
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

    /// A call that the watchdog reported ended successfully.
    @Test func slowReaderIsBackWithoutReopening() throws {
        let bench = try NFCFixture()
        try bench.start()
        let opened = bench.chip.count(of: 0x14)
        bench.reader?.health.lost(.other("slow"))
        try bench.hears(.lost(.other("slow")))
        try bench.hears(.back)
        #expect(bench.chip.count(of: 0x14) == opened, "a poll proves it, not a self-test")
    }

    @Test func eventsForFullMailboxAreSentLater() throws {
        let bench = try NFCFixture()
        try bench.start()
        bench.isFull.store(true, ordering: .releasing)
        bench.chip.unplug()
        try eventually("lost is pending", everyMs: 5) { !bench.refused.isEmpty }
        bench.isFull.store(false, ordering: .releasing)
        try bench.hearsLost()
        bench.isFull.store(true, ordering: .releasing)
        try bench.chip.plug()
        try eventually("back is pending", everyMs: 5) { bench.refused.last == .back }
        bench.isFull.store(false, ordering: .releasing)
        try bench.hears(.back)
        try bench.polls(anyResult: 5)
        #expect(bench.heard == [], "each once")
    }

    @Test func portOfOtherProcessIsNotOpened() throws {
        let bench = try NFCFixture()
        var other: PortLock? = try PortLock(bench.chip.path)
        try bench.start(waits: false)
        #expect(try bench.hearsLost().contains("busy"))
        #expect(bench.chip.count(of: 0x14) == 0)
        withExtendedLifetime(other) {}
        other = nil
        try bench.hears(.back)
        // The reader locks its port.
        #expect(throws: SystemError.self) { try PortLock(bench.chip.path) }
        bench.stop()
        _ = try PortLock(bench.chip.path)
    }

    @Test func twoReadersWorkIndependently() throws {
        let (one, other) = (try NFCFixture(), try NFCFixture())
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

    @Test func onlyReaderIsFoundAutomatically() throws {
        let bench = try NFCFixture(link: ListedReader.path)
        try bench.start(isListed: true)
        bench.chip.present(.plain(NFCReaderTests.uid))
        try bench.hears(.tap(NFCReaderTests.tap))
    }
}
