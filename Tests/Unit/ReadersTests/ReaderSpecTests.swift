import LinuxSystem
import Runtime
import ScanModel
import Synchronization
import TestSupport
import Testing

@testable import Readers

struct ReaderSpecTests {
    @Test func allFormsAreParsed() throws {
        #expect(try ReaderSpec("stdin").source == .stdin)
        #expect(try ReaderSpec("stdin").direction == .in)
        #expect(try ReaderSpec("out=stdin").direction == .out)
        #expect(try ReaderSpec("nfc:auto").source == .nfc(connstring: nil))
        let uart = try ReaderSpec("in=nfc:pn532_uart:/dev/ttyUSB0:115200")
        #expect(uart.source == .nfc(connstring: "pn532_uart:/dev/ttyUSB0:115200"))
        #expect(uart.direction == .in)
        #expect(uart.name == "nfc:pn532_uart:/dev/ttyUSB0:115200")
        let codes = try ReaderSpec("out=serial:/dev/ttyACM0")
        #expect(codes.source == .serial(path: "/dev/ttyACM0", baud: 9_600))
        #expect(codes.direction == .out)
        #expect(try ReaderSpec("serial:/dev/ttyACM0,115200").source == .serial(path: "/dev/ttyACM0", baud: 115_200))
    }

    @Test(arguments: [
        "", "in=", "nfc", "nfc:", "serial:", "serial:,9600", "serial:/dev/x,", "serial:/dev/x,42", "usb:1", "up=stdin",
        "stdin:", "nfc:" + String(repeating: "a", count: 1_024), "nfc:a\0b",
    ])
    func invalidTextIsRejected(text: String) {
        #expect(throws: ReaderSpecError.self) { try ReaderSpec(text) }
    }

    @Test func onlySerialConnstringHasPort() {
        #expect(NFCReader.port(of: "pn532_uart:/dev/ttyUSB0") == "/dev/ttyUSB0")
        #expect(NFCReader.port(of: "pn532_uart:/dev/ttyUSB0:115200") == "/dev/ttyUSB0")
        #expect(NFCReader.port(of: "acr122_usb:001:004") == nil)
        #expect(NFCReader.port(of: "pcsc:ACS ACR122U") == nil)
        #expect(NFCReader.port(of: "pn53x_usb") == nil)
    }
}

struct TagPresenceTests {
    /// Checks the result of a poll.
    private func check(
        _ presence: inout TagPresence, _ uid: [UInt8]?, nowMs: Int64, _ isNew: Bool,
        at place: SourceLocation = #_sourceLocation
    ) {
        let answer = presence.polled(uid, nowMs: nowMs)
        #expect(answer == isNew, sourceLocation: place)
    }

    @Test func arrivalIsReportedOnce() {
        var presence = TagPresence()
        check(&presence, [1, 2, 3, 4], nowMs: 1_000, true)
        // Until it is reported, it is still due.
        check(&presence, [1, 2, 3, 4], nowMs: 1_020, true)
        presence.reported(nowMs: 1_020)
        for step in 0..<1_000 { check(&presence, [1, 2, 3, 4], nowMs: 1_040 + Int64(step) * 299, false) }
    }

    @Test func tagMissedByOnePollHasNotLeft() {
        var presence = TagPresence()
        check(&presence, [1], nowMs: 0, true)
        presence.reported(nowMs: 0)
        check(&presence, nil, nowMs: 100, false)
        check(&presence, [1], nowMs: 299, false)
        check(&presence, nil, nowMs: 299 + 300, false)
        check(&presence, [1], nowMs: 299 + 301, true)
    }

    @Test func otherUIDIsNewArrivalUnlessBothAreRandom() {
        var presence = TagPresence()
        check(&presence, [8, 1, 1, 1], nowMs: 0, true)
        presence.reported(nowMs: 0)
        check(&presence, [8, 2, 2, 2], nowMs: 220, false)
        check(&presence, [4, 2, 2, 2], nowMs: 260, true)
        presence.reported(nowMs: 260)
        check(&presence, [8, 2, 2, 2], nowMs: 520, true)
    }

    /// A device can send another UID at each poll. A wristband that stays is reported a little later.
    @Test func changingUIDsAreReportedAtIntervals() {
        var presence = TagPresence()
        var reports = 0
        for poll in 0..<100 where presence.polled([4, 1, 1, UInt8(poll)], nowMs: Int64(20 * poll)) {
            reports += 1
            presence.reported(nowMs: Int64(20 * poll))
        }
        #expect((7...8).contains(reports), "four a second")
        check(&presence, [4, 9, 9, 9], nowMs: 2_000, false)
        check(&presence, [4, 9, 9, 9], nowMs: 2_240, true)
    }

    @Test func readIsAttemptedThreeTimes() {
        var presence = TagPresence()
        _ = presence.polled([1], nowMs: 0)
        let isLast = (1...3).map { _ in presence.readFailed(nowMs: 0) }
        #expect(isLast == [false, false, true])
        _ = presence.polled([2], nowMs: 20)
        let isLastForOther = presence.readFailed(nowMs: 20)
        #expect(!isLastForOther)
    }

    @Test func tagThatLeftDuringItsReadIsALostRead() {
        func lost(_ presence: inout TagPresence) -> Bool { presence.takeLostRead() }
        var presence = TagPresence()
        check(&presence, [1], nowMs: 0, true)
        _ = presence.readFailed(nowMs: 10)
        check(&presence, nil, nowMs: 309, false)
        #expect(!lost(&presence), "it may come back")
        check(&presence, nil, nowMs: 310, false)
        #expect(lost(&presence) && !lost(&presence))
        // Another tag takes its place.
        check(&presence, [2], nowMs: 400, true)
        _ = presence.readFailed(nowMs: 400)
        check(&presence, [3], nowMs: 420, true)
        #expect(lost(&presence))
        // A tag that was reported is not lost.
        presence.reported(nowMs: 420)
        check(&presence, nil, nowMs: 900, false)
        #expect(!lost(&presence))
    }

    /// A read may take longer than `absenceMs`.
    @Test func slowReadIsNoNewArrival() {
        var presence = TagPresence()
        check(&presence, [1], nowMs: 0, true)
        presence.reported(nowMs: 900)
        check(&presence, [1], nowMs: 920, false)
        check(&presence, [1], nowMs: 1_219, false)
        check(&presence, [2], nowMs: 2_000, true)
        var isLast: [Bool] = []
        for attempt in 0..<3 {
            check(&presence, [2], nowMs: 2_000 + Int64(attempt) * 800, true)
            isLast.append(presence.readFailed(nowMs: 2_000 + Int64(attempt) * 800 + 780))
        }
        #expect(isLast == [false, false, true])
    }
}

struct ReaderHealthTests {
    @Test func lostAndBackAlternate() {
        let events = Recorded()
        let health = ReaderHealth(log: Log("test")) { events.take($0) }
        health.lost(.other("a"))
        health.lost(.other("b"))
        health.back()
        health.back()
        health.lost(.other("c"))
        #expect(events.all == [.lost(.other("a")), .back, .lost(.other("c"))])
    }

    @Test func fullMailboxReceivesOnlyLastEvent() {
        let mailbox = Mailbox<ReaderEvent>(capacity: 1)
        let health = ReaderHealth(log: Log("test")) { mailbox.send($0) }
        health.back()
        health.lost(.other("a"))
        health.back()
        health.lost(.other("b"))
        #expect(!health.resend())
        #expect(mailbox.drain() == [.back])
        #expect(health.resend())
        #expect(mailbox.drain() == [.lost(.other("b"))])
        #expect(health.resend())
        health.lost(.other("c"))
        #expect(mailbox.drain() == [], "once")
        health.back()
        health.lost(.other("d"))
        #expect(mailbox.drain() == [.back])
        // The next event sends the pending one.
        health.lost(.other("e"))
        #expect(mailbox.drain() == [.lost(.other("d"))])
    }

    @Test func stuckCallIsReportedOncePerTimeLimit() {
        let health = ReaderHealth(log: Log("test")) { _ in true }
        let now = SystemClock.monotonicMs()
        #expect(!health.isStuck(nowMs: now + 10_000))
        health.watch(limitMs: 1_000) {
            #expect(!health.isStuck(nowMs: now + 900))
            #expect(health.isStuck(nowMs: now + 10_000))
            #expect(!health.isStuck(nowMs: now + 11_000))
            #expect(health.isStuck(nowMs: now + 11_001))
        }
        #expect(!health.isStuck(nowMs: now + 13_000))
        health.watch(limitMs: 1_000) { #expect(health.isStuck(nowMs: now + 20_000)) }
    }
}

private final class Recorded: Sendable {
    private let events = Mutex<[ReaderEvent]>([])
    func take(_ event: ReaderEvent) -> Bool {
        events.withLock { $0.append(event) }
        return true
    }
    var all: [ReaderEvent] { events.withLock { $0 } }
}
