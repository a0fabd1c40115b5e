import HTTPServer
import Testing

/// The rules of RFC 9110 sections 13 and 14.
struct SelectionTests {
    static let etag = "\"a-1\""

    @Test(arguments: [
        ("bytes=0-0", Selection.part(0...0)), ("bytes=0-99", .part(0...99)), ("bytes=0-1000", .part(0...99)),
        ("bytes=99-", .part(99...99)), ("bytes=-1", .part(99...99)), ("bytes=-1000", .part(0...99)),
        ("Bytes = 5-6", .part(5...6)), ("bytes=100-", .unsatisfiable), ("bytes=-0", .unsatisfiable),
        ("bytes=99999999999999999999-", .unsatisfiable), ("bytes=0-99999999999999999999", .part(0...99)),
        ("bytes=5-4", .whole), ("bytes=", .whole), ("bytes=a-b", .whole), ("bytes=0-1,3-4", .whole),
        ("lines=0-1", .whole),
        ("bytes=--5", .whole), ("bytes=+1-2", .whole), ("bytes", .whole),
    ])
    func rangesAreEvaluated(text: String, expected: Selection) {
        #expect(Selection(etag: Self.etag, size: 100, headers: ["range": text]) == expected)
    }

    @Test func emptyFileHasNoRange() {
        #expect(Selection(etag: Self.etag, size: 0, headers: ["range": "bytes=0-"]) == .unsatisfiable)
        #expect(Selection(etag: Self.etag, size: 0, headers: ["range": "bytes=-5"]) == .unsatisfiable)
    }

    @Test(arguments: ["\"a-1\"", "W/\"a-1\"", "*", "\"b\", \"a-1\"", " \"a-1\" "])
    func knownVersionIsNotSent(list: String) {
        #expect(
            Selection(etag: Self.etag, size: 9, headers: ["if-none-match": list, "range": "bytes=0-1"]) == .notModified)
    }

    @Test(arguments: ["\"b\"", "a-1", "", "\"a-1"])
    func otherVersionIsSent(list: String) {
        #expect(Selection(etag: Self.etag, size: 9, headers: ["if-none-match": list]) == .whole)
    }

    @Test func ifRangeRequiresTheSameVersion() {
        func select(_ validator: String) -> Selection {
            Selection(etag: Self.etag, size: 9, headers: ["if-range": validator, "range": "bytes=4-"])
        }
        #expect(select("\"a-1\"") == .part(4...8))
        #expect(select("\"b\"") == .whole)
        #expect(select("W/\"a-1\"") == .whole)
        #expect(select("Mon, 23 Nov 2026 10:00:00 GMT") == .whole)
    }
}
