import DeviceEmulation
import GateController
import TestSupport
import Testing

@testable import TurnstileControl

@Suite struct PassageSensorTests {
    @Test func lineOrBurstIsOnePassage() {
        var counter = PassageCounter()
        #expect(counter.bytes(Array("1\r\n1\r\n".utf8), nowMs: 0) == 2)
        #expect(counter.bytes([0xff], nowMs: 1_000) == 0)
        #expect(counter.bytes([0xff], nowMs: 1_100) == 0)
        #expect(counter.quiet(nowMs: 1_249) == 0)
        #expect(counter.nextMs == 1_250)
        #expect(counter.quiet(nowMs: 1_250) == 1)
        #expect(counter.quiet(nowMs: 2_000) == 0)
        #expect(counter.bytes(Array("\r\n\r\n".utf8), nowMs: 3_000) == 0)
    }

    @Test func passagesAreCountedOnARealPort() throws {
        let (terminal, reports) = (try PseudoTerminal(), Reports())
        let running = RunningService(PassageSensor(path: terminal.path, report: reports.take).service())
        try eventually("open", everyMs: 5) { reports.sensor == [nil] }
        // The sensor discards bytes that arrive before it has opened the port.
        try eventually("the first is counted", everyMs: 300) {
            try terminal.write(Array("P\n".utf8))
            return reports.passages > 0
        }
        let before = reports.passages
        try terminal.write([1, 2, 3])
        try eventually("a burst is one", everyMs: 5) { reports.passages == before + 1 }
        try running.end()
    }

    @Test func missingSensorIsReported() throws {
        let reports = Reports()
        let running = RunningService(PassageSensor(path: "/nowhere/sensor", report: reports.take).service())
        try eventually("reported") { reports.sensor.first??.description.contains("/nowhere/sensor") == true }
        try running.end()
    }
}
