import TestSupport
import Testing

@testable import Runtime

struct TextTests {
    /// Values of Python's datetime.
    @Test(
        arguments: [
            ("1970-01-01T00:00:00.000Z", 0), ("1999-12-31T23:59:59.999Z", 946_684_799_999_000),
            ("2000-02-29T12:00:00.000Z", 951_825_600_000_000), ("2026-11-23T20:47:01.123Z", 1_795_466_821_123_000),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000_000), ("2199-12-31T23:59:59.999Z", 7_258_118_399_999_000),
            ("2400-02-29T00:00:00.000Z", 13_574_563_200_000_000), ("9999-12-31T23:59:59.000Z", 253_402_300_799_000_000),
        ] as [(String, Int64)])
    func timesAreFormattedAndParsed(text: String, microseconds: Int64) {
        #expect(UTCTime.text(microseconds: microseconds) == text)
        #expect(UTCTime.microseconds(text) == microseconds)
    }

    @Test func millisecondsSurviveFormattingAndParsing() {
        var random = TestRandom(seed: 11)
        for _ in 0..<20_000 {
            let time = Int64.random(in: 0..<253_402_300_800_000, using: &random) * 1_000
            #expect(UTCTime.microseconds(UTCTime.text(microseconds: time)) == time)
        }
        #expect(UTCTime.text(microseconds: 1_999) == "1970-01-01T00:00:00.001Z")
        #expect(UTCTime.text(microseconds: -1) == "1969-12-31T23:59:59.999Z")
    }

    @Test(
        arguments: [
            ("2019-05-06T09:00:00Z", 1_557_133_200_000_000), ("2019-05-06 09:00:00z", 1_557_133_200_000_000),
            ("2019-05-06t09:00:00+00:00", 1_557_133_200_000_000), ("2019-05-06T06:00:00-03:00", 1_557_133_200_000_000),
            ("2019-05-07T02:30:00+17:30", 1_557_133_200_000_000), ("2019-05-06T09:00:00.5Z", 1_557_133_200_500_000),
            ("2019-05-06T09:00:00.1234567891Z", 1_557_133_200_123_456), ("1970-01-01T00:00:00+01:00", -3_600_000_000),
            // A leap second is read as the next second.
            ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
        ] as [(String, Int64)])
    func allFormsOfRFC3339AreParsed(text: String, microseconds: Int64) {
        #expect(UTCTime.microseconds(text) == microseconds)
    }

    @Test(arguments: [
        "", "2019", "2019-05-06", "2019-05-06T09:00:00", "2019-05-06T09:00Z", "2019-02-29T00:00:00Z",
        "2019-04-31T00:00:00Z", "2019-13-01T00:00:00Z", "2019-00-01T00:00:00Z", "2019-01-00T00:00:00Z",
        "2019-01-01T24:00:00Z", "2019-01-01T23:60:00Z", "2019-01-01T23:00:61Z", "1900-02-29T00:00:00Z",
        "2019-05-06T09:00:00.Z", "2019-05-06T09:00:00+1:00", "2019-05-06T09:00:00+24:00", "2019-05-06T09:00:00+0100",
        "2019-05-06T09:00:00ZZ", " 2019-05-06T09:00:00Z", "2019-05-06T09:00:00Z ", "19-05-06T09:00:00Z",
        "2019-5-6T09:00:00Z", "+2019-05-06T09:00:00Z", "2019-05-06T0٣:00:00Z", "-001-05-06T09:00:00Z",
    ])
    func otherTextIsRejected(text: String) {
        #expect(UTCTime.microseconds(text) == nil)
    }

    @Test func quotedTextIsJSON() {
        #expect(JSONText.quote("") == #""""#)
        #expect(JSONText.quote(#"a"b\c/"#) == #""a\"b\\c/""#)
        #expect(JSONText.quote("\n\r\t\u{0}\u{1f}\u{7f}") == #""\n\r\t\u0000\u001f\u007f""#)
        #expect(JSONText.quote("Zürich 👍\u{2028}") == #""Zürich 👍\u2028""#)
    }

    /// A terminal obeys C1 controls, and shows texts after a direction mark in another order.
    @Test func invisibleCharactersAreEscapedInJSON() {
        #expect(JSONText.quote("a\u{9B}2J\u{202E}b\u{E0041}خ") == #""a\u009b2J\u202eb\udb40\udc41خ""#)
        let json = "{\n  \"a\" : \"x\u{202E}y\u{7F}\"\n}"
        #expect(JSONText.escapingInvisible(json) == "{\n  \"a\" : \"x\\u202ey\\u007f\"\n}")
        #expect(JSONText.escapingInvisible(#"{"a":"é خ 👍"}"#) == #"{"a":"é خ 👍"}"#)
    }

    @Test func linesOfALoggedValueAreIndented() {
        #expect(Log.indented("2 rows\n2026-11-23 error forged\n") == "2 rows\n    2026-11-23 error forged\n    ")
        #expect(Log.indented("one line") == "one line")
    }

    /// Times from outside may be any number.
    @Test func anyTimeIsFormatted() {
        #expect(UTCTime.text(seconds: 1_764_000_000) == "2025-11-24T16:00:00.000Z")
        #expect(UTCTime.text(milliseconds: 1_764_000_000_123) == "2025-11-24T16:00:00.123Z")
        for time in [.max, .max / 1_000, 1 << 53, 253_402_300_800_000] as [Int64] {
            #expect(UTCTime.text(seconds: time) == "9999-12-31T23:59:59.999Z")
            #expect(UTCTime.text(milliseconds: time) == "9999-12-31T23:59:59.999Z")
        }
        for time in [.min, -(1 << 53)] as [Int64] {
            #expect(UTCTime.text(seconds: time) == "0001-01-01T00:00:00.000Z")
            #expect(UTCTime.text(milliseconds: time) == "0001-01-01T00:00:00.000Z")
        }
        for time in [.min, -1, 0, .max] as [Int64] { #expect(UTCTime.text(microseconds: time).hasSuffix("Z")) }
    }

    @Test(
        arguments: [
            ("amqp://gate-7:pw@center:5671/", "amqp://***@center:5671/"),
            ("cannot connect to 'amqps://u:p%40w@h' (refused)", "cannot connect to 'amqps://***@h' (refused)"),
            ("postgresql://u:p/w@x@h/db?sslmode=require", "postgresql://***@h/db?sslmode=require"),
            ("postgres:///db?host=/run&password=geheim&user=x", "postgres:///db?host=/run&password=***&user=x"),
            ("sslpassword=geheim", "sslpassword=***"), ("a://b:c@d a://e:f@g", "a://***@d a://***@g"),
            ("found 'TAPLINE1:AB2-C' more", "found 'TAPLINE1:***' more"), ("tapline1:ab", "tapline1:***"),
        ])
    func passwordsInTextsAreRedacted(text: String, redacted: String) {
        #expect(SecretText.redacted(text) == redacted)
        #expect(SecretText.redacted(redacted) == redacted)
    }

    @Test func textsWithoutPasswordsStay() {
        for text in [
            "", "http://center:8080/snapshot/", "amqp://gate-7@h", "mail a@b.c: x", "scans=7", "://@", "x password=",
            "TAPLINE1:...", "TAPLINE1:",
        ] {
            #expect(SecretText.redacted(text) == text)
        }
        #expect(SecretText.isSecret("geheim") && SecretText.isSecret("amqp://u:p@h"))
        #expect(
            !SecretText.isSecret("amqp://h") && !SecretText.isSecret("") && !SecretText.isSecret("postgres://u@h/db"))
    }
}
