import Testing

@testable import TurnstileControl

@Suite struct RelayFramesTests {
    @Test func commandFramesMatchTheProtocol() {
        #expect(RelayFrames.set(1, true) == [0xa0, 0x01, 0x01, 0xa2])
        #expect(RelayFrames.set(1, false) == [0xa0, 0x01, 0x00, 0xa1])
        #expect(RelayFrames.set(8, true) == [0xa0, 0x08, 0x01, 0xa9])
    }

    @Test(arguments: [
        ("CH1:ON \r\nCH2:OFF\r\n", [true, false]),
        ("CH1: OFF\r\nCH2: OFF\r\nCH3: ON\r\nCH4: OFF\r\n", [false, false, true, false]),
        ("ch1:on\n", [true]), ("", []), ("CH2:ON\r\n", []), ("noise\r\nCH1:ON\r\n", [true]), ("CH1:MAYBE\r\n", []),
        ("\u{0}\u{1}", [false, true]),
        ("\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{1}", [false, false, false, false, false, false, false, true]),
    ])
    func everyKindOfReplyIsDecoded(text: String, states: [Bool]) {
        #expect(RelayFrames.states(Array(text.utf8)) == states)
    }

    @Test func settingsAreParsed() throws {
        let settings = try #require(
            try TurnstileSettings.parse("serial:/dev/ttyUSB0,open=2,green=3,red=4,buzzer=1,pulse=500,gap=50"))
        #expect(
            settings.path == "/dev/ttyUSB0" && settings.open == 2 && settings.pulseMs == 500 && settings.gapMs == 50)
        #expect(settings.channels == [2, 3, 4, 1])
        #expect(try TurnstileSettings.parse("none") == nil)
        #expect(try TurnstileSettings.parse("serial:/dev/x")?.pulseMs == 300)
    }

    @Test(arguments: [
        "", "serial:", "nfc:x", "serial:/dev/x,pulse=99", "serial:/dev/x,pulse=1001", "serial:/dev/x,open=0",
        "serial:/dev/x,open=9", "serial:/dev/x,green=1", "serial:/dev/x,lamp=2", "serial:/dev/x,", "serial:/dev/x,red",
    ])
    func invalidSettingsAreRejected(text: String) {
        #expect(throws: TurnstileSettingsError.self) { try TurnstileSettings.parse(text) }
    }
}
