import ScanModel
import Testing

@testable import RegistrationLists

@Suite struct UIDFormatTests {
    private func parse(_ text: String, _ format: UIDFormat, length: Int?) throws(CellError) -> [UInt8] {
        let lengths = length.map { [$0] } ?? ChipUID.lengths
        let bytes = try format.parse(text, lengths)
        try UIDFormat.check(bytes, lengths)
        return bytes
    }

    private func bytes(_ text: String, _ format: UIDFormat, length: Int? = nil) -> [UInt8]? {
        try? parse(text, format, length: length)
    }

    private func reason(_ text: String, _ format: UIDFormat, length: Int? = nil) throws -> String {
        try #require(throws: CellError.self) { _ = try parse(text, format, length: length) }.description
    }

    @Test func oneChipInAllFormats() {
        let chip: [UInt8] = [0x04, 0xa1, 0xb2, 0xc3]
        #expect(bytes("04A1b2C3", .hex) == chip && bytes("04:a1:B2:c3", .hex) == chip)
        #expect(bytes("04 A1 B2 C3", .hex) == chip && bytes("04-A1-B2-C3", .hex) == chip)
        #expect(bytes("C3B2A104", .hexReversed) == chip && bytes("c3:b2:a1:04", .hexReversed) == chip)
        #expect(bytes("77705923", .decimal) == chip && bytes("0077705923", .decimal) == chip)
        #expect(bytes("3283263748", .decimalReversed) == chip)
        let long: [UInt8] = [0x04, 0xc4, 0x3b, 0xc2, 0x1c, 0x26, 0x80]
        #expect(bytes("04C43BC21C2680", .hex) == long && bytes("80261CC23BC404", .hexReversed) == long)
        #expect(bytes("1341660845581952", .decimal) == long && bytes("36070701978600452", .decimalReversed) == long)
    }

    @Test func numberLengthFollowsDigitsOrRequiredLength() throws {
        #expect(bytes("4294967294", .decimal) == [0xff, 0xff, 0xff, 0xfe])
        #expect(bytes("4294967296", .decimal)?.count == 7 && bytes("1", .decimal) == [0, 0, 0, 1])
        // Zero-padded to the width of 7 bytes.
        #expect(bytes("00000000000000001", .decimalReversed) == [1, 0, 0, 0, 0, 0, 0])
        #expect(bytes("77705923", .decimalReversed, length: 7) == [0xc3, 0xb2, 0xa1, 0x04, 0, 0, 0])
        #expect(try reason("72057594037927936", .decimal).contains("more than 7 bytes"))
        #expect(try reason("4294967296", .decimal, length: 4).contains("more than 4 bytes"))
        #expect(try reason("04A1B2C3", .hex, length: 7).contains("4 bytes, but 7 are required"))
    }

    @Test func invalidUIDIsReportedWithReason() throws {
        for text in ["", "0", "04A", "04:A", "xyz", "04;A1", String(repeating: "00", count: 33)] {
            #expect(try reason(text, .hex).contains("not the hexadecimal form"), "\(text)")
        }
        for text in ["", "-5", "+5", "12 34", "0x12", "１２", "12E"] {
            #expect(try reason(text, .decimal).contains("whole number"), "\(text)")
        }
        #expect(try reason("1.23457E+15", .decimal).contains("spreadsheet"))
        #expect(try reason("3,28E+09", .decimal).contains("spreadsheet"))
        #expect(try reason("4.12346E+13", .hex).contains("spreadsheet"))
        #expect(try reason("4123456", .hex).contains("7 digits; was a zero lost"))
        #expect(try reason("123,45678", .decimal).contains("facility code"))
    }

    @Test func otherLengthsNeedPermission() throws {
        for (text, words) in [
            ("AB", "has 1 byte, but chips have 4, 7 or 10"), ("AB1C2D", "has 3 bytes, but chips"),
            ("AB1C2D3E4F", "has 5 bytes, but chips"), ("04A1B2C3D4E5", "has 6 bytes"), ("04A1B2C304A1B2C3", "8 bytes"),
        ] { #expect(try reason(text, .hex).contains(words) && reason(text, .hexReversed).contains(words)) }
        #expect(bytes("04C43BC21C2680112233", .hex)?.count == 10)
        #expect(bytes("AB1C2D", .hex, length: 3) == [0xab, 0x1c, 0x2d])
        // A number has the first permitted length that it fits in, with its zeros.
        #expect(try UIDFormat.decimal.parse("1099511627776", [4, 6]) == [1, 0, 0, 0, 0, 0])
        #expect(try UIDFormat.decimal.parse("77705923", [7, 10]) == [0, 0, 0, 0x04, 0xa1, 0xb2, 0xc3])
    }

    @Test func partsOfUIDsAndRandomUIDsAreRefusedInAllFormats() throws {
        // Some readers return only the first bytes of a long UID, after the cascade tag (88 04 C4 3B).
        #expect(try reason("1002701960", .decimalReversed).contains("part of a longer UID"))
        #expect(try reason("2282013755", .decimal).contains("part of a longer UID"))
        #expect(try reason("8804C43B", .hex).contains("part of a longer UID"))
        #expect(try reason("3BC40488", .hexReversed).contains("part of a longer UID"))
        // With the check byte, and all parts of a UID of 7 and of 10 bytes. No permission helps.
        for text in ["8804C43B7F", "8804C43BC21C2680", "8804C43B88C21C2680112233"] {
            #expect(try reason(text, .hex, length: text.count / 2).contains("part of a longer UID"))
        }
        // 08 A1 B2 C3
        for (text, format) in [
            ("08A1B2C3", UIDFormat.hex), ("08:a1:b2:c3", .hex), ("C3B2A108", .hexReversed), ("144814787", .decimal),
            ("3283263752", .decimalReversed),
        ] { #expect(try reason(text, format).contains("new random UID"), "\(text)") }
        // In the other order 88 and 08 are ordinary bytes; in UIDs of 7 bytes, too.
        #expect(bytes("04C43B88", .hex) != nil && bytes("88C43B04", .hexReversed) != nil)
        #expect(bytes("08C43BC21C2680", .hex) != nil)
    }
}
