import Runtime
import Scans
import Support
import Synchronization
import Testing

@testable import Readers

struct ReaderSpecTests {
    @Test func everyForm() throws {
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
    func whatIsRefused(text: String) {
        #expect(throws: ProgramError.self) { try ReaderSpec(text) }
    }

    @Test func thePortToBeLocked() {
        #expect(NFCReader.port(of: "pn532_uart:/dev/ttyUSB0") == "/dev/ttyUSB0")
        #expect(NFCReader.port(of: "pn532_uart:/dev/ttyUSB0:115200") == "/dev/ttyUSB0")
        #expect(NFCReader.port(of: "acr122_usb:001:004") == nil)
        #expect(NFCReader.port(of: "pcsc:ACS ACR122U") == nil)
        #expect(NFCReader.port(of: "pn53x_usb") == nil)
    }
}

struct TagPresenceTests {
    /// Whether the tag is to be read, and says where it is asked when that is not so.
    private func check(
        _ presence: inout TagPresence, _ uid: [UInt8]?, nowMs: Int64, _ isNew: Bool,
        at place: SourceLocation = #_sourceLocation
    ) {
        let answer = presence.saw(uid, nowMs: nowMs)
        #expect(answer == isNew, sourceLocation: place)
    }

    @Test func anArrivalIsToldOnce() {
        var presence = TagPresence()
        check(&presence, [1, 2, 3, 4], nowMs: 1_000, true)
        // Until somebody says so, it is still to be told.
        check(&presence, [1, 2, 3, 4], nowMs: 1_020, true)
        presence.told()
        for step in 0..<1_000 { check(&presence, [1, 2, 3, 4], nowMs: 1_040 + Int64(step) * 299, false) }
    }

    @Test func aMissIsNoLeaving() {
        var presence = TagPresence()
        check(&presence, [1], nowMs: 0, true)
        presence.told()
        check(&presence, nil, nowMs: 100, false)
        check(&presence, [1], nowMs: 299, false)
        check(&presence, nil, nowMs: 299 + 300, false)
        check(&presence, [1], nowMs: 299 + 301, true)
    }

    @Test func anotherTagIsAnArrivalButForRandomOnes() {
        var presence = TagPresence()
        check(&presence, [8, 1, 1, 1], nowMs: 0, true)
        presence.told()
        check(&presence, [8, 2, 2, 2], nowMs: 20, false)
        check(&presence, [4, 2, 2, 2], nowMs: 40, true)
        presence.told()
        check(&presence, [8, 2, 2, 2], nowMs: 60, true)
    }

    @Test func aReadIsTriedThreeTimes() {
        var presence = TagPresence()
        _ = presence.saw([1], nowMs: 0)
        let givesUp = (1...3).map { _ in presence.readFailed() }
        #expect(givesUp == [false, false, true])
        _ = presence.saw([2], nowMs: 20)
        let givesUpAnew = presence.readFailed()
        #expect(!givesUpAnew)
    }
}

struct ReaderHealthTests {
    @Test func lostAndBackTakeTurns() {
        let events = Recorded()
        let health = ReaderHealth(log: Log("test")) { events.add($0) }
        health.lost("a")
        health.lost("b")
        health.back()
        health.back()
        health.lost("c")
        #expect(events.all == [.lost(reason: "a"), .back, .lost(reason: "c")])
    }

    @Test func aCallIsStuckOnce() {
        let health = ReaderHealth(log: Log("test")) { _ in }
        let now = SystemClock.monotonicMs()
        #expect(!health.isStuck(nowMs: now + 10_000))
        health.watch(limitMs: 1_000) {
            #expect(!health.isStuck(nowMs: now + 900))
            #expect(health.isStuck(nowMs: now + 10_000))
            #expect(!health.isStuck(nowMs: now + 11_000))
        }
        #expect(!health.isStuck(nowMs: now + 12_000))
        health.watch(limitMs: 1_000) { #expect(health.isStuck(nowMs: now + 20_000)) }
    }
}

private final class Recorded: Sendable {
    private let events = Mutex<[ReaderEvent]>([])
    func add(_ event: ReaderEvent) { events.withLock { $0.append(event) } }
    var all: [ReaderEvent] { events.withLock { $0 } }
}
