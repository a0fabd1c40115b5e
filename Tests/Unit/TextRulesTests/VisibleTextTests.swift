import Testing
import TextRules

struct VisibleTextTests {
    @Test func invisibleCharactersAreShownByNumber() {
        #expect("Ca\u{200B}fe\u{301} \u{A0}".visible == "Ca\\u{200B}fe\u{301} \\u{A0}")
        #expect("\t\u{202E}\u{E0041}\u{1}".visible == "\\u{9}\\u{202E}\\u{E0041}\\u{1}")
        #expect("A\nB\tC".visibleInLine == "A\\u{A}B\\u{9}C")
        #expect("line 2\nline 3 'خيمة'".visible == "line 2\nline 3 'خيمة'")
    }

    @Test func marginsAreTrimmed() {
        #expect("\u{A0} A B\u{200B}\r".trimmingInvisible == "A B")
        #expect(" \u{FEFF}".trimmingInvisible == "")
        #expect("\u{2}A\u{1D}\u{3}".trimmingInvisible == "A\u{1D}")
    }
}
