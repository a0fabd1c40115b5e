import DeviceEmulation
import FileSystem
import Runtime
import TestSupport
import Testing

@Suite struct ReaderScriptTests {
    private static let zeros = [UInt8](repeating: 0, count: 16)

    private static func script(_ reader: PN532Emulator) throws -> ReaderScript {
        try #require(ReaderScript(reader, meta: zeros, file: zeros, isDiversified: true))
    }

    @Test func everyDocumentedStepIsAccepted() throws {
        let reader = try PN532Emulator()
        var script = try Self.script(reader)
        let stop = StopSignal()
        let words = [
            "UID": "04A1B2C3D4E5F6", "URL": "https://a.example", "[COUNTER]": "7", "N": "1", "NAME": "half",
            "on|off": "off", "MS": "1",
        ]
        for (step, _) in ReaderScript.steps where !step.hasPrefix("tap") {
            if step.hasPrefix("leave") { _ = try script.execute("tag 01020304", stop: stop) }
            let line = step.split(separator: " ").map { words[String($0)] ?? String($0) }.joined(separator: " ")
            #expect(try script.execute(line, stop: stop) != nil, "\(line)")
        }
        #expect(try script.execute("", stop: stop) == nil)
        #expect(try script.execute("  # a note", stop: stop) == nil)
    }

    @Test func chipKeepsCounterBetweenSteps() throws {
        let reader = try PN532Emulator()
        var script = try Self.script(reader)
        let stop = StopSignal()
        _ = try script.execute("sun 04A1B2C3D4E5F6 41", stop: stop)
        #expect(reader.tag?.sun?.counter == 41)
        _ = try script.execute("tag 01020304", stop: stop)
        #expect(reader.tag?.uid == [1, 2, 3, 4])
        _ = try script.execute("hidden 04A1B2C3D4E5F6", stop: stop)
        #expect(reader.tag?.sun?.counter == 41 && reader.tag?.uid.first == 0x08 && reader.tag?.uid.count == 4)
        let shown = reader.tag?.uid
        _ = try script.execute("random", stop: stop)
        #expect(reader.tag?.uid.first == 0x08 && reader.tag?.uid != shown)
        _ = try script.execute("remove", stop: stop)
        #expect(reader.tag == nil)
    }

    @Test(arguments: [
        "tag", "tag 0102", "tag 0102030g", "sun 01020304", "sun 04A1B2C3D4E5F6 -1", "fault nonsense", "silence",
        "silence maybe", "leave 1", "dance", "wait soon", "remove all",
    ]) func invalidLineIsRejected(_ line: String) throws {
        let reader = try PN532Emulator()
        var script = try Self.script(reader)
        #expect(throws: ReaderScript.InvalidStep.self) { _ = try script.execute(line, stop: StopSignal()) }
    }

    /// The real program, queried by nfc-list.
    @Test func programEmulatesReader() throws {
        let folder = TemporaryFolder("reader")
        let link = folder.file("port")
        let program = try ChildProcess(
            Package.program("tapline-fleet"), ["reader", "--link", link], errors: folder.file("errors"))
        #expect(try program.line() == link)
        try program.write("tag 04A1B2C3D4E5F6\n")
        #expect(try program.line() == "ok")
        let list = try Run.succeeding("nfc-list", [], environment: ["LIBNFC_DEVICE": "pn532_uart:\(link)"])
        #expect(list.lines.contains { $0.filter { $0 != " " } == "UID(NFCID1):04a1b2c3d4e5f6" })
        try program.write("tap 1\nstatus\n")
        #expect(try program.line() == "ok")
        let status = try #require(try program.line())
        #expect(status.contains("\"fault\":\"none\"") && status.contains("\"taken\":false"))
        program.closeInput()
        #expect(try program.wait() == .exit(0))
        #expect(!Files.exists(link))

        let refused = try Run.it("tapline-fleet", ["reader"], input: "dance\n")
        #expect(refused.end == .exit(1) && refused.errors.contains("no such step: dance"))
        let keys = try Run.it("tapline-fleet", ["reader", "--mac-key", "12", "--check"])
        #expect(keys.end == .exit(78))
    }
}
