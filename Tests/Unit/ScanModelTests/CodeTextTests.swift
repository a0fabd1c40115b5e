import ScanModel
import Testing
import TextRules

struct CodeTextTests {
    @Test(
        arguments: [
            "TICKET 1", " TICKET 1 ", "\u{A0}TICKET 1\u{A0}", "\u{FEFF}TICKET 1", "TICKET 1\u{200B}",
            "\u{200F}TICKET 1\u{200E}",
            "\u{2068}TICKET 1\u{2069}", "TICKET 1\r\n", "\tTICKET 1\t", "\u{2}TICKET 1\u{3}", "\u{2}TICKET 1\r\u{3}\n",
            "]Q1TICKET 1", "]C1TICKET 1", "]d2TICKET 1", "]E0TICKET 1", "]zCTICKET 1", "\\000003TICKET 1",
            "\\000026TICKET 1", "\\000027TICKET 1", "\\000001TICKET 1", "]Q2\\000026TICKET 1", " ]Q1 \u{FEFF}TICKET 1",
        ])
    func marksOfScannersAreTakenOff(raw: String) throws {
        let code = try CodeText(raw)
        #expect(code.text == "TICKET 1")
        #expect(try CodeText(code.text) == code, "the normal form of a normal form is the same")
    }

    @Test(
        arguments: [
            "A", "0", "[Q1A", "]Q", "]Q-1", "]1QA", "Q]Q1", "\\00002", "\\00002A", "\\000100A", "\\1000026", "'00123",
            "=\"00123\"", "تذكرة-٧", "Zürich", "Zu\u{308}rich", "https://example.org/t?c=1&d=2",
        ])
    func otherTextsStayAsTheyAre(text: String) throws {
        #expect(try Array(CodeText(text).text.utf8) == Array(text.utf8))
    }

    @Test(arguments: [
        ("", CodeTextError.empty), (" \t\u{200B}", .empty), ("]Q1", .empty), ("\u{2}\u{3}", .empty),
        ("A\u{200B}B", .invisible("\u{200B}")), ("A\u{A0}B", .invisible("\u{A0}")),
        ("A\u{202E}B", .invisible("\u{202E}")),
        ("A\u{1D}B", .invisible("\u{1D}")), ("\u{1D}AB", .invisible("\u{1D}")), ("A\u{AD}B", .invisible("\u{AD}")),
        ("A\tB", .invisible("\t")), (String(repeating: "é", count: 129), .tooLong(bytes: 258)),
    ])
    func textWithoutNormalFormIsRejected(raw: String, expected: CodeTextError) {
        #expect(throws: expected) { try CodeText(raw) }
    }

    /// Lists trim a cell first. A code that they take must be one that a reader takes.
    @Test func controlAtAnEndIsDamageInListsAndReaders() {
        for control in ["\u{0}", "\u{1}", "\u{4}", "\u{B}", "\u{1B}", "\u{1D}", "\u{1E}", "\u{7F}", "\u{85}"] {
            for raw in [control + "AB", "AB" + control, "AB\(control) \u{A0}"] {
                #expect(throws: CodeTextError.self) { try CodeText(raw) }
                #expect(throws: CodeTextError.self) { try CodeText(raw.trimmingInvisible) }
            }
        }
    }

    @Test func errorNamesCodePoint() {
        #expect(CodeTextError.invisible("\u{200B}").description.contains("U+200B"))
        #expect(CodeTextError.invisible("\u{1D}").description.contains("U+001D"))
    }

    @Test func codesOfAnyCaseAreOneTagWhereTheEventFoldsThem() throws {
        let key = try #require(EventKey([UInt8](repeating: 1, count: 32)))
        let (upper, lower): (TagIdentity, TagIdentity) = (.code("TICKET-É"), .code("ticket-É"))
        #expect(key.tagID(of: upper) != key.tagID(of: lower))
        #expect(key.with(.fold).tagID(of: upper) == key.tagID(of: lower))
        // Only the letters A to Z have the same rule in every language.
        #expect(key.with(.fold).tagID(of: .code("É")) != key.with(.fold).tagID(of: .code("é")))
        #expect(key.with(.fold).tagID(of: .uid([0x41])) == key.tagID(of: .uid([0x41])))
    }
}
