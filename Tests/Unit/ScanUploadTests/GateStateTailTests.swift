import FileSystem
import Glibc
import LinuxSystem
import ScanBatchCodec
import ScanJournal
import ScanModel
import TestSupport
import Testing

@testable import DataFolder
@testable import ScanUpload

/// What a heartbeat says about the gate beside the publisher.
struct GateStateTailTests {
    private let folder = TemporaryFolder("gate-tail")

    private func write(_ change: (inout GateState) -> Void = { _ in }) throws {
        // The process of this test is no gate.
        var state = GateState(
            pid: getpid(), scanner: "gate-7", journal: "", reader: "stdin", software: "1", startedS: 0, snapshot: 5)
        change(&state)
        try state.write(folder: folder.path)
    }

    private func heartbeat() -> [String: ScanBatch.StateValue] {
        var tail = GateStateTail(folder: folder.path)
        _ = tail.poll()
        return tail.heartbeat()
    }

    @Test func deadGateIsReportedAsStopped() throws {
        #expect(heartbeat()["gate"] == .text("stopped"))
        try write()
        #expect(heartbeat()["gate"] == .text("stopped"))
    }

    @Test func gateOfAnotherProcessSpaceIsKnownByItsLock() throws {
        try write()
        let lock = try Journal.lock(folder: folder.path)
        #expect(heartbeat()["gate"] == .text("running"))
        withExtendedLifetime(lock) {}
    }

    @Test func hangingGateIsReportedAsStoppedWithReason() throws {
        let bootID = try #require(BootID.current)
        try write()
        let lock = try Journal.lock(folder: folder.path)
        var tail = GateStateTail(folder: folder.path)
        _ = tail.poll()
        #expect(tail.heartbeat()["gate"] == .text("running"))
        try GateBeat(bootID: bootID, pid: getpid(), atMs: SystemClock.monotonicMs() - 75_000).write(folder: folder.path)
        try write { $0.alarms = ["clock not trusted"] }
        let asksAtOnce = tail.poll()
        #expect(asksAtOnce)
        let map = tail.heartbeat()
        // The disk of a busy test machine may be full enough for its alarm.
        #expect([.text("gate other"), .text("gate other disk")].contains(map["alarms"]))
        #expect(map["gate"] == .text("stopped"))
        #expect(map["alarm.gate"] == .text("the gate does not respond since 75 s"))
        let report = StatusReport(folder: folder.path, scanner: nil)
        #expect(report.faults.contains("the gate does not respond since 75 s"))
        try GateBeat(bootID: bootID, pid: getpid(), atMs: SystemClock.monotonicMs()).write(folder: folder.path)
        try write()
        let asksAgain = tail.poll()
        #expect(asksAgain && tail.heartbeat()["alarm.gate"] == nil)
        withExtendedLifetime(lock) {}
    }

    /// A gate cannot write its state to a full disk.
    @Test func fullDiskOfARunningGateIsReported() throws {
        let disk = try SmallDisk(.tmpfs, megabytes: 1)
        let lock = try Journal.lock(folder: disk.path)
        let state = GateState(
            pid: getpid(), scanner: "gate-7", journal: "", reader: "stdin", software: "1", startedS: 0, snapshot: 5)
        try state.write(folder: disk.path)
        var tail = GateStateTail(folder: disk.path)
        _ = tail.poll()
        #expect(tail.heartbeat()["gate"] == .text("running") && tail.heartbeat()["alarms"] == nil)
        try Files.writeAtomically([UInt8](repeating: 0, count: 900_000), to: disk.path + "/filler")
        var full = GateStateTail(folder: disk.path)
        _ = full.poll()
        #expect(full.heartbeat()["gate"] == .text("running") && full.heartbeat()["alarms"] == .text("disk"))
        guard case .text(let text) = full.heartbeat()["alarm.disk"] else {
            Issue.record("no text of the disk alarm")
            return
        }
        #expect(text.hasPrefix("disk ") && text.hasSuffix(" % full"))
        #expect(StatusReport(folder: disk.path, scanner: nil).faults.contains(text))
        withExtendedLifetime(lock) {}
    }

    @Test func alarmsHaveKeywordsAndTexts() throws {
        try write {
            $0.mode = "closed"
            $0.turnstile = "the relay board does not answer"
            $0.readers = [GateState.Reader(name: "nfc:auto", direction: .in, problem: "unplugged")]
            $0.alarms = ["disk 97 % full", "clock not trusted", "from a later version"]
            $0.alarmKeywords = ["disk", "clock"]
        }
        let map = heartbeat()
        #expect(map["alarms"] == .text("reader turnstile disk clock other"))
        #expect(map["alarm.reader"] == .text("nfc:auto: unplugged") && map["alarm.disk"] == .text("disk 97 % full"))
        #expect(map["alarm.other"] == .text("from a later version") && map["mode"] == .text("closed"))
    }

    @Test func manyAlarmsFitIntoTheStateOfABatch() throws {
        try write {
            $0.alarms = (0..<100).map { "alarm \($0) " + String(repeating: "é", count: 300) }
            $0.alarmKeywords = (0..<100).map {
                "k" + String(repeating: Array("abcdefghij")[$0 % 10], count: $0 / 10 + 1)
            }
        }
        var batch = ScanBatch(
            heartbeatOf: ScannerID("gate-7")!, journalID: .random(), next: 1, gate: nil, snapshot: 0, sentMicros: 0,
            backlog: 0)
        batch.state = heartbeat()
        #expect(try ScanBatch(decoding: batch.encoded()).state == batch.state)
    }

    @Test func changedModeAndAlarmsAskForAHeartbeat() throws {
        try write()
        var tail = GateStateTail(folder: folder.path)
        var asked = [tail.poll(), tail.poll()]
        try write { $0.mode = "closed" }
        asked.append(tail.poll())
        try write {
            $0.mode = "closed"
            $0.alarms = ["clock not trusted"]
            $0.alarmKeywords = ["clock"]
        }
        asked.append(tail.poll())
        #expect(asked == [false, false, true, true])
    }

    @Test func publisherStatusReportsTheAlarmsOfTheLane() throws {
        try write {
            $0.readers = [GateState.Reader(name: "nfc:auto", direction: .in, problem: "unplugged")]
            $0.turnstile = "the relay board does not answer"
            $0.alarms = ["no gate"]
            $0.problem = "no gate is named 'Nort'"
        }
        let lane = [
            "lane: reader nfc:auto (in): unplugged", "lane: turnstile: the relay board does not answer",
            "lane: no gate", "lane: no gate is named 'Nort'",
        ]
        func faults() -> [String] { StatusReport(folder: folder.path, scanner: nil).faults }
        #expect(!faults().contains { $0.hasPrefix("lane") })
        let lock = try Journal.lock(folder: folder.path)
        #expect(faults().filter { $0.hasPrefix("lane") } == lane)
        withExtendedLifetime(lock) {}
    }

    @Test func gateOfAnotherScannerIsAnAlarmOfThePublisher() throws {
        try write()
        let lock = try Journal.lock(folder: folder.path)
        let cursors = try UploadCursors(folder: folder.path)
        func others(_ scanner: String) -> [String] {
            PublisherStatus(folder: folder.path, scanner: scanner).save(now: true)
            return StatusReport(folder: folder.path, scanner: nil).faults.filter { $0.contains("runs as scanner") }
        }
        #expect(others("gate-7") == [])
        #expect(
            others("gate-8") == [
                "the gate runs as scanner gate-7, and the publisher uploads the scans of gate-8: "
                    + "start both with the same scanner ID"
            ])
        withExtendedLifetime((lock, cursors)) {}
    }

    @Test func longAlarmTextIsCutAtABlank() throws {
        let short = "serial:/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0: Input/output error, since a while"
        try write {
            $0.alarms = [short, String(repeating: "word ", count: 80), String(repeating: "é", count: 300)]
            $0.alarmKeywords = ["clock", "disk", "journal"]
        }
        let map = heartbeat()
        #expect(map["alarm.clock"] == .text(short))
        guard case .text(let words) = map["alarm.disk"], case .text(let whole) = map["alarm.journal"] else {
            throw TestFailure("no texts: \(map)")
        }
        #expect(words == String(repeating: "word ", count: 50).dropLast() + "..." && words.utf8.count <= 256)
        #expect(whole == String(repeating: "é", count: 126) + "...")
    }
}
