import Crypto
import DeviceEmulation
import FileSystem
import Runtime
import ScanModel
import TestSupport
import Testing

/// The real gate with devices that are disconnected, silent, faulty, copied or replayed. The lane reports the fault,
/// keeps its rules, and recovers without an operator.
@Suite struct DeviceTests {
    @Test func readerRecoversAfterTwentyDisconnections() async throws {
        try await NamedThread.run("replug") {
            let lane = try DeviceLane()
            try lane.start()
            #expect(try lane.tap(.plain(DeviceLane.person(0))).verdict == 0)
            let open = try lane.descriptors()
            for round in 1...20 {
                lane.reader.unplug()
                try lane.awaitStatus("the reader is out of order, round \(round)") { $0.problems?.count == 1 }
                try lane.reader.plug()
                try lane.awaitStatus("the reader works, round \(round)") { $0.problems == [] }
                let verdict = try lane.tap(.plain(DeviceLane.person(round)))
                #expect(verdict.verdict == 0, "round \(round)")
                #expect(try verdict.tag.text == lane.tagID(.uid(DeviceLane.person(round))))
            }
            // The gate has closed the removed ports.
            try lane.awaitNoMore(than: open)
            let events = try lane.journal().filter(\.isOfReader)
            #expect(events.map(\.verdict) == events.indices.map { $0.isMultiple(of: 2) ? 131 : 132 }, "alternating")
            // More events only on a machine so slow that libnfc times out.
            #expect((40...60).contains(events.count), "\(events.count)")
            #expect(events.allSatisfy { $0.tag == 0 })
            #expect(try lane.verdicts() == [Int64](repeating: 0, count: 21))
            try lane.stop()
        }
    }

    @Test func faultyReaderIsReportedAndRecovers() async throws {
        try await NamedThread.run("faults") {
            let lane = try DeviceLane()
            try lane.start()
            #expect(try lane.tap(.plain(DeviceLane.person(9))).verdict == 0)
            let open = try lane.descriptors()
            for (index, fault) in [PN532Fault.silence, .acknowledge, .garbage, .radio].enumerated() {
                lane.reader.fault = fault
                try lane.awaitStatus("the reader is out of order: \(fault)") { $0.problems?.count == 1 }
                lane.reader.fault = .none
                try lane.awaitStatus("the reader works after \(fault)") { $0.problems == [] }
                #expect(try lane.tap(.plain(DeviceLane.person(index))).verdict == 0, "\(fault)")
            }
            try lane.awaitNoMore(than: open)
            let events = try lane.journal().filter(\.isOfReader).map(\.verdict)
            #expect(events.count >= 8 && events.last == 132)
            try lane.stop()
        }
    }

    /// The reader answers every command and finds no tag. The lane cannot detect this fault, but repeats the
    /// configuration.
    @Test func readerWithoutRadioRecovers() async throws {
        try await NamedThread.run("brownout") {
            let lane = try DeviceLane()
            try lane.start()
            #expect(try lane.tap(.plain(DeviceLane.person(0))).verdict == 0)
            lane.reader.brownOut()
            let selections = lane.reader.selections
            let polls = lane.reader.count(of: 0x4a)
            lane.reader.present(.plain(DeviceLane.person(1)))
            try eventually("the reader polls and does not find the tag", everyMs: 5) {
                lane.reader.count(of: 0x4a) > polls + 5
            }
            #expect(lane.reader.selections == selections)
            #expect(try lane.verdict().verdict == 0, "after the next configuration")
            try lane.stop()
        }
    }

    @Test func genuineChipIsAdmittedAndCopyIsRejected() async throws {
        try await NamedThread.run("sun") {
            let lane = try DeviceLane()
            let keys = try SunKeys(lane)
            try lane.start(keys.flags)
            let (chip, clone) = (
                try lane.tagID(.sun(DeviceLane.chip)), try lane.tagID(.uid(DeviceLane.chip))
            )
            func tap(_ tag: EmulatedTag) throws -> [String] {
                try lane.leave()
                let verdict = try lane.tap(tag)
                return [verdict.name, verdict.tag.text]
            }
            #expect(try tap(keys.chip(readsBefore: 4)) == ["admitted", chip])
            // The counter has not increased, so the message equals the last one: a replayed recording.
            #expect(try tap(keys.chip(readsBefore: 4)) == ["not-authentic", chip])
            #expect(try tap(keys.chip(readsBefore: 3)) == ["not-authentic", chip])
            #expect(try tap(keys.chip(readsBefore: 5, showing: [0x08, 1, 2, 3])) == ["admitted", chip])
            #expect(try tap(.plain(DeviceLane.chip)) == ["unknown", clone])
            #expect(try tap(keys.chip(readsBefore: 90, master: 0x33)) == ["not-authentic", clone])
            #expect(try tap(.plain([0x08, 9, 9, 9])).first == "not-authentic")
            // The next run of the gate restores the counters.
            try lane.stop()
            try lane.start(keys.flags)
            #expect(try tap(keys.chip(readsBefore: 5)) == ["not-authentic", chip])
            #expect(try tap(keys.chip(readsBefore: 6)) == ["admitted", chip])
            try lane.stop()
            #expect(try lane.verdicts() == [0, 7, 7, 0, 1, 7, 7, 7, 0])
        }
    }

    @Test func reconnectedRelayBoardDoesNotRepeatPulses() async throws {
        try await NamedThread.run("relays") {
            let lane = try DeviceLane()
            let board = try RelayBoardEmulator(channels: 4)
            func pulses() -> [Bool] { board.changes.filter { $0.channel == 1 }.map(\.isOn) }
            try lane.start(["--turnstile", "serial:\(board.path),open=1,green=2,red=3,buzzer=4"])
            #expect(pulses() == [])
            #expect(try lane.tap(.plain(DeviceLane.person(0))).verdict == 0)
            try eventually("the turnstile opens and closes") { pulses() == [true, false] }
            board.unplug()
            try lane.awaitStatus("the turnstile is out of order") { $0.turnstile ?? "ok" != "ok" }
            #expect(try lane.tap(.plain(DeviceLane.person(1))).verdict == 0)
            try board.plug()
            try lane.awaitStatus("the turnstile works") { $0.turnstile == "ok" }
            #expect(try lane.tap(.plain([1, 2, 3, 4])).verdict == 1)
            #expect(try lane.tap(.plain(DeviceLane.person(2))).verdict == 0)
            try eventually("the turnstile opens and closes again") { pulses().count == 4 }
            #expect(pulses() == [true, false, true, false], "one pulse for the first and one for the last admission")
            #expect(board.changes.contains { $0.channel == 3 && $0.isOn }, "red")
            try lane.stop()
            try eventually("all relays are released") { !board.states.contains(true) }
            #expect(pulses().count == 4 && board.badFrames == 0)
        }
    }

    @Test func admissionWithoutPassageIsAnnulled() async throws {
        try await NamedThread.run("passage") {
            let lane = try DeviceLane(antipassback: "hard")
            let sensor = try LineEmulator()
            try lane.start(["--passage", "serial:\(sensor.path)", "--passage-ms", "3000"])
            let (person, tag) = (DeviceLane.person(0), try lane.tagID(.uid(DeviceLane.person(0))))
            #expect(try lane.tap(.plain(person)).verdict == 0)
            let annulled = try lane.verdict()
            #expect(annulled.verdict == 64 && annulled.tag.text == tag)
            try lane.leave()
            #expect(try lane.tap(.plain(person)).verdict == 0, "still outside, with hard anti-passback")
            sensor.send(line: "passed")
            // The first passage belongs to the admission, the second one to none.
            sensor.send(line: "passed")
            try eventually("a passage without a tap is journaled") { try lane.verdicts().last == 133 }
            try lane.leave()
            #expect(try lane.tap(.plain(person)).name == "inside")
            // Without the sensor no admission is annulled.
            sensor.unplug()
            try lane.awaitStatus("the sensor is lost") { $0.alarms?.contains { $0.contains("passage sensor") } == true }
            #expect(try lane.tap(.plain(DeviceLane.person(1))).verdict == 0)
            try sensor.plug()
            try lane.awaitStatus("the sensor works") { $0.alarms?.contains { $0.contains("passage") } == false }
            try lane.stop()
            #expect(try lane.verdicts() == [0, 64, 0, 133, 5, 0])
        }
    }

    @Test func twoReadersServeOneGate() async throws {
        try await NamedThread.run("two readers") {
            let lane = try DeviceLane(antipassback: "hard")
            let codes = try LineEmulator()
            try lane.start(readers: ["in=nfc:\(lane.reader.connstring)", "out=serial:\(codes.path)"])
            #expect(try lane.status().readers?.map(\.direction) == ["in", "out"])
            let person = DeviceLane.person(0)
            #expect(try lane.tap(.plain(person)).verdict == 0)
            try lane.leave()
            #expect(try lane.tap(.plain(person)).name == "inside")
            // On the way out, another tag of the same person at the other reader.
            codes.send(line: DeviceLane.code.text)
            let out = try lane.verdict()
            #expect(out.verdict == 0)
            #expect(try out.tag.text == lane.tagID(.code(DeviceLane.code)))
            #expect(try lane.journal().last { $0.seq == out.seq }?.flags == 1)
            try lane.leave()
            #expect(try lane.tap(.plain(person)).verdict == 0)
            codes.unplug()
            try lane.awaitStatus("one reader is out of order") { status in
                status.readers?.map { $0.problem == nil } == [true, false]
            }
            #expect(try lane.tap(.plain(DeviceLane.person(1))).verdict == 0, "the other reader works")
            try codes.plug()
            try lane.awaitStatus("both readers work") { $0.problems == [] }
            codes.send(line: DeviceLane.code.text)
            #expect(try lane.verdict().verdict == 0)
            try lane.stop()
            #expect(try lane.verdicts() == [0, 5, 0, 0, 0, 0])
        }
    }
}

/// The keys of the event's chips, and chips with these keys.
private struct SunKeys {
    private static let meta = [UInt8](repeating: 0x11, count: 16)
    private static let master: UInt8 = 0x22
    private let path: String

    var flags: [String] { ["--tag-keys", path] }

    init(_ lane: DeviceLane) throws {
        path = lane.line.folder.file("tag.keys")
        let text = """
            meta = \(Hex.encode(SunKeys.meta))
            file = \(Hex.encode([UInt8](repeating: SunKeys.master, count: 16)))
            diversify = uid

            """
        try Files.writeAtomically(Array(text.utf8), to: path, mode: 0o600)
    }

    /// - Parameter readsBefore: the counter of the chip. Its next message contains the next number.
    func chip(readsBefore: UInt32, showing uid: [UInt8]? = nil, master: UInt8 = master) throws -> EmulatedTag {
        let own = CMAC.diversifiedKey(
            of: try key([UInt8](repeating: master, count: 16)), input: DeviceLane.chip)
        return .sun(
            SunChip(uid: DeviceLane.chip, meta: try key(SunKeys.meta), file: own, counter: readsBefore), showing: uid)
    }

    private func key(_ bytes: [UInt8]) throws -> AES128 {
        guard let key = AES128(key: bytes) else { throw TestFailure("no key") }
        return key
    }
}
