import ScanModel
import Testing

@testable import RegistrationLists

/// Cells that identify, after a spreadsheet had them.
struct IdentifierCellTests {
    private let files: ListFiles

    init() throws { files = try ListFiles() }

    private func read(_ text: String, _ codeCase: CodeCase = .exact) throws -> ListFiles.Found {
        let key = files.key.with(codeCase)
        return try files.read(RegistrationCSV(try files.write(text), RegistrationCSV.Identities(key: key)))
    }

    @Test func textMarksOfSpreadsheetsAreTakenOff() throws {
        let found = try read(
            "code,tag_id,external_ref,name\n'0012345,,'007,'Aziz\n=\"0012346\",'-12:lost,,B\n\"=\"\"0012347\"\"\",,,C\n"
        )
        #expect(found.problems.isEmpty)
        #expect(
            found.rows.map { $0.tags.map(\.id) } == [
                [files.tag("0012345")], [files.tag("0012346"), TagID(rawValue: -12)], [files.tag("0012347")],
            ])
        #expect(found.rows[0].externalRef == "007" && found.rows[0].name == "'Aziz", "a name keeps its apostrophe")
    }

    @Test func marksOfScannersAreTakenOffInLists() throws {
        let found = try read("code,name\n]Q1AB 1\u{A0},A\n\\000026AB 2\u{200B},B\n\"\u{2}AB 3\u{3}\",C\n")
        #expect(found.problems.isEmpty)
        #expect(found.rows.flatMap(\.tags).map(\.id) == [files.tag("AB 1"), files.tag("AB 2"), files.tag("AB 3")])
    }

    @Test func invisibleCharacterInCodeIsRejectedByNumber() throws {
        let found = try read("code,name\nAB\u{200B}C,A\nAB\u{1D}C,B\n")
        #expect(found.rows.isEmpty && found.problems.count == 2)
        #expect(found.problems[0].contains("line 2") && found.problems[0].contains("U+200B"))
        #expect(found.problems[1].contains("U+001D"))
    }

    @Test(
        arguments: ["1.23457E+19", "\"1,23457E+20\"", "1E+15", "-8.07123E+18", "1٫5E+07", "1.5e7"],
        ["uid", "sun", "code", "tag_id", "external_ref"])
    func exponentFormIsRejectedWhereItIdentifies(cell: String, column: String) throws {
        let found = try read("\(column),name\n\(cell),A\n")
        #expect(found.rows.isEmpty && found.problems.count == 1)
        #expect(found.problems.first?.contains("\(column) '") == true)
        #expect(found.problems.first?.contains("was rounded by a spreadsheet") == true)
    }

    @Test func exponentFormOfAttendeeNumberIsRejected() throws {
        let text = "Attendee #,Name,Ticket Type,Attendee Status,Barcode #\n1.84416E+10,A,VIP,Attending,1\n"
        let found = try files.read(EventbriteCSV(try files.write(text), key: files.key), passes: ["VIP"])
        #expect(found.problems.map { $0.hasPrefix("line 2: Attendee # '1.84416E+10' was") } == [true])
    }

    @Test(arguments: ["12E4", "1E", "E5", "1E+", "1.2.3E+4", "A1E+4", "1E+4E+4", "-", "1,5"])
    func otherTextsAreNoExponentForm(text: String) { #expect(!SpreadsheetText.isExponentForm(text)) }

    @Test func uidWithLetterEIsNoExponentForm() throws {
        #expect(try read("uid,name\n123E4567,A\n").problems.isEmpty)
    }

    @Test func roundedTagIDsAreRejected() throws {
        let found = try read("tag_id,name\n-8071234567890120000,A\n5,B\n1234567890123450000:lost,C\n")
        #expect(found.problems.count == 2)
        #expect(found.problems[0].hasPrefix("line 2: tag_id '-8071234567890120000' was rounded by a spreadsheet"))
        #expect(found.problems[1].hasPrefix("line 4"))
    }

    @Test func tagIDThatEndsInZerosByChanceIsTaken() throws {
        let whole = (0..<20).map { "-80712345678901\($0 + 10)001,A\($0)\n" }.joined()
        #expect(try read("tag_id,name\n\(whole)-8071234567890120000,B\n").problems.isEmpty)
    }

    @Test func codesAreFoldedWhereTheEventSaysSo() throws {
        let text = "code,name\nAb1,A\n"
        #expect(try read(text, .fold).rows[0].tags.map(\.id) == [files.tag("ab1")])
        #expect(try read(text).rows[0].tags.map(\.id) == [files.tag("Ab1")])
    }
}
