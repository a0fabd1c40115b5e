import CLI
import FileSystem
import ScanModel
import TestSupport
import Testing

@Suite struct CommonOptionsTests {
    private let folder = TemporaryFolder("options")
    private let key: EventKey

    init() throws {
        let bytes = Array(UInt8(7)..<39)
        key = try #require(EventKey(bytes))
        try Files.writeAtomically(bytes, to: folder.file("event.key"), mode: 0o600)
    }

    private func arguments(_ values: [String: String]) -> Arguments {
        Arguments(
            values: values.merging(["event-key-file": folder.file("event.key")]) { given, _ in given }
                .mapValues { [$0] })
    }

    private func code(_ values: [String: String]) -> ExitCode? {
        do { _ = try arguments(values).tag() } catch { return ExitCode(for: error) }
        return nil
    }

    @Test(arguments: [0, 7, 255] as [UInt8])
    func eventKeyOfEqualBytesIsRefused(byte: UInt8) throws {
        let path = folder.file("equal.key")
        try Files.writeAtomically([UInt8](repeating: byte, count: EventKey.length), to: path, mode: 0o600)
        let error = try #require(throws: ProgramError.self) {
            try arguments(["event-key-file": path]).eventKey()
        }
        #expect(error.description.contains("all 32 bytes are equal"))
        #expect(ExitCode(for: error) == .configuration)
    }

    @Test(arguments: [0o644, 0o664, 0o604, 0o666, 0o444] as [UInt32])
    func eventKeyEverybodyCanReadBecomesPrivate(mode: UInt32) throws {
        let path = folder.file("open.key")
        try Files.writeAtomically(Array(UInt8(7)..<39), to: path, mode: mode)
        #expect(try arguments(["event-key-file": path]).eventKey().fingerprint == key.fingerprint)
        #expect(Files.status(path)?.mode == mode & 0o700)
    }

    @Test(arguments: [0o640, 0o660, 0o620] as [UInt32])
    func eventKeyOfAGroupIsRefused(mode: UInt32) throws {
        let path = folder.file("open.key")
        try Files.writeAtomically(Array(UInt8(7)..<39), to: path, mode: mode)
        let given = arguments(["event-key-file": path])
        let error = try #require(throws: ProgramError.self) { try given.eventKey() }
        #expect(error.description.contains("other users have access to it (mode 0\(String(mode, radix: 8)))"))
        #expect(error.description.hasSuffix("chmod 600 \(path)"))
        #expect(ExitCode(for: error) == .configuration)
        try Files.writeAtomically(Array(UInt8(7)..<39), to: path, mode: 0o400)
        #expect(try given.eventKey().fingerprint == key.fingerprint)
    }

    @Test func tagIsReadFromEachOption() throws {
        #expect(try arguments(["tag": "-5"]).tag().id(.fold) == TagID(rawValue: -5))
        #expect(try arguments(["code": " A 1 "]).tag().id(.exact) == key.tagID(of: .code("A 1")))
        #expect(try arguments(["code": "A 1"]).tag().id(.fold) == key.tagID(of: .code("a 1")))
        for uid in ["04a1b2c3", "04:A1:B2:C3", "04-a1-b2-c3"] {
            #expect(try arguments(["uid": uid]).tag().id(.exact) == key.tagID(of: .uid([0x04, 0xa1, 0xb2, 0xc3])))
        }
        #expect(try arguments(["new-sun": "04"]).tag(prefix: "new-").id(.exact) == key.tagID(of: .sun([0x04])))
    }

    @Test(
        arguments: [
            [:], ["tag": "1", "uid": "04"], ["tag": "0"], ["tag": "x"], ["uid": "0"], ["uid": ""], ["sun": "xyz"],
        ] as [[String: String]])
    func invalidTagIsUsageError(values: [String: String]) {
        #expect(code(values) == .usage)
    }

    @Test func invalidEventKeyIsConfigurationError() throws {
        try Files.writeAtomically([1, 2, 3], to: folder.file("short.key"), mode: 0o600)
        for path in [folder.file("short.key"), folder.file("missing.key")] {
            #expect(code(["uid": "04", "event-key-file": path]) == .configuration)
        }
        // A tag ID needs no key.
        #expect(code(["tag": "1", "event-key-file": folder.file("missing.key")]) == nil)
    }

    @Test func eventKeyInHexadecimalIsNamed() throws {
        let hex = String(repeating: "07", count: EventKey.length) + "\n"
        try Files.writeAtomically(Array(hex.utf8), to: folder.file("hex.key"), mode: 0o600)
        let given = arguments(["event-key-file": folder.file("hex.key")])
        let error = try #require(throws: ProgramError.self) { try given.eventKey() }
        #expect(ExitCode(for: error) == .configuration && "\(error)".contains("it holds them in hexadecimal"))
    }

    @Test func scannerIDArgumentIsChecked() throws {
        #expect(try ScannerID(argument: "north-1").text == "north-1")
        #expect(ExitCode(for: try #require(throws: ProgramError.self) { try ScannerID(argument: "North 1") }) == .usage)
    }

    @Test func scannerOptionIsCheckedAsConfiguration() throws {
        let option = { (text: String?) in
            let values = text.map { ["scanner": [$0]] } ?? [:]
            return try (Arguments(values: values).scanner(), Arguments(values: values).requiredScanner())
        }
        let (optional, required) = try option("north-1")
        #expect(optional?.text == "north-1")
        #expect(required.text == "north-1")
        #expect(try Arguments(values: [:]).scanner() == nil)
        for text in [nil, "", "North 1", "-1"] {
            let error = try #require(throws: ProgramError.self) { try option(text) }
            #expect(error.code == .configuration)
        }
    }

    @Test func jsonHasSortedKeysAndPlainSlashes() throws {
        struct Value: Encodable { let b, a: String }
        #expect(try JSONOutput.line(Value(b: "x/y", a: "\"\n")) == #"{"a":"\"\n","b":"x/y"}"#)
    }
}
