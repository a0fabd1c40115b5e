import Testing

@testable import RegistrationLists

@Suite struct UIDSummaryTests {
    private func summary(_ texts: [String], _ format: UIDFormat = .hex) throws -> UIDSummary {
        var summary = UIDSummary()
        for text in texts { summary.add(try format.parse(text), format) }
        return summary
    }

    private func refusal(_ texts: [String], _ format: UIDFormat = .hex) throws -> String {
        let summary = try summary(texts, format)
        return try #require(throws: RegistrationListError.self) { try summary.check(format) }.description
    }

    @Test func lengthsAreCounted() throws {
        #expect(try summary([]).description.isEmpty)
        #expect(try summary(["04A1B2C3", "04A1B2C4"]).description == "UIDs: all 2 have 4 bytes")
        #expect(try summary(["04A1B2C3"]).description == "UIDs: 1 has 4 bytes")
        let mixed = try summary(["04A1B2C3", "A1B2C3", "A1B2C4", "A1B2C5", "AB"])
        #expect(mixed.description == "UIDs: 3 of 5 have 3 bytes, 1 of 5 has 1 byte, 1 of 5 has 4 bytes")
        #expect(mixed.total == 5 && mixed.counts == [1: 1, 3: 3, 4: 1])
    }

    @Test func numbersBelow24BitsGiveWarning() throws {
        for format in [UIDFormat.decimal, .decimalReversed] {
            let warnings = try summary(["1234567", "16777215", "0000000042"], format).warnings
            #expect(warnings.count == 1 && warnings[0].contains("Wiegand"))
            #expect(try summary(["1234567", "16777216"], format).warnings.isEmpty)
        }
        #expect(try summary(["00A1B2C3", "0012B2C3"]).warnings.first?.contains("Wiegand") == true)
        #expect(try summary(["A1B2C300", "12B2C300"], .hexReversed).warnings.isEmpty)
        #expect(try summary(["00A1B2C3", "0112B2C3"]).warnings.isEmpty && summary([]).warnings.isEmpty)
        #expect(try summary(["1099511627775"], .decimal).warnings.first?.contains("125 kHz") == true)
    }

    @Test func hexadecimalListWithoutLettersGivesWarning() throws {
        let numbers = (10_000_000..<10_000_020).map { "\($0)" }
        for format in [UIDFormat.hex, .hexReversed] {
            let warning = try #require(try summary(numbers, format).warnings.first)
            #expect(warning.hasPrefix("all 20 UIDs consist of the digits 0 to 9"))
        }
        // Zero-padded numbers of a Wiegand reader. As hexadecimal they are above 2^24.
        #expect(try summary((1_234_500..<1_234_520).map { "0\($0)" }).decimalWarning != nil)
        #expect(try summary(Array(numbers.dropLast())).warnings.isEmpty)
        #expect(try summary(numbers.dropLast() + ["1000001A"]).warnings.isEmpty)
        #expect(try summary(numbers + ["20000000"], .decimal).decimalWarning == nil)
    }

    @Test func listInOtherByteOrderIsRefused() throws {
        let long = (10..<20).map { "801122\($0)A1B204" }
        #expect(try refusal(long).contains("all 10 UIDs of 7 or 10 bytes end with 04"))
        #expect(try refusal(long).contains("the list is in the format hex-reversed, not hex; nothing was stored"))
        #expect(try refusal((10..<20).map { "04A1B2\($0)221180" }, .hexReversed).contains("format hex, not hex-rev"))
        #expect(try refusal((10..<20).map { "3B\($0)0488" }).contains("end with 88"))
        #expect(try refusal((10..<20).map { "3BA1\($0)08" }).contains("end with 08"))
        // 3B .. 04 88 as one number, first byte first.
        #expect(try refusal((10..<20).map { "\(0x3b00_0488 + ($0 << 16))" }, .decimal).contains("decimal-reversed"))
        // One that begins with 04 is enough: so do all in the right order.
        for texts in [long + ["04112211A1B204"], Array(long.prefix(7)), ["04A1B2C3"]] {
            try summary(texts).check(.hex)
        }
    }
}
