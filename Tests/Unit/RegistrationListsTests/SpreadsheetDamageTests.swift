import ScanModel
import Testing

@testable import RegistrationLists

/// Values that a spreadsheet has damaged, and invisible characters.
struct SpreadsheetDamageTests {
    private let files: ListFiles

    init() throws { files = try ListFiles() }

    private func read(_ text: String, _ format: UIDFormat = .hex) throws -> ListFiles.Found {
        var identities = RegistrationCSV.Identities(key: files.key)
        identities.format = format
        return try files.read(RegistrationCSV(try files.write(text), identities))
    }

    // MARK: Rounded numbers

    @Test(arguments: ["code", "external_ref", "tag_id", "uid", "sun"])
    func roundedColumnOfLongNumbersIsRejected(column: String) throws {
        let rows = (10..<30).map { "36070701978\($0)0000,Ann \($0)\n" }.joined()
        let format = ["uid", "sun"].contains(column) ? UIDFormat.decimal : .hex
        let found = try read("\(column),name\n\(rows)", format)
        #expect(found.problems.count == 20)
        #expect(found.problems.first?.contains("\(column) '36070701978100000' was rounded") == true)
    }

    @Test func roundedBarcodesAreRejected() throws {
        let rows = (10..<30).map { "\($0),A,VIP,Attending,9001184415834\($0)000\n" }.joined()
        let text = "Attendee #,Name,Ticket Type,Attendee Status,Barcode #\n\(rows)"
        let found = try files.read(EventbriteCSV(try files.write(text), key: files.key), passes: ["VIP"])
        #expect(found.problems.count == 20)
        #expect(found.problems.first?.contains("Barcode # '900118441583410000' was rounded") == true)
    }

    @Test func zerosByChanceAndMarkedNumbersAreTaken() throws {
        let tenth = (100..<200).map { "1234567890123\($0),A\($0)\n" }.joined()
        #expect(try read("code,name\n\(tenth)").problems.isEmpty, "one of ten ends with a zero")
        let marked = (10..<30).map { "'12345678901\($0)0000,A\($0)\n" }.joined()
        #expect(try read("code,name\n\(marked)").problems.isEmpty)
        let short = (10..<30).map { "12345678\($0)00000,A\($0)\n" }.joined()
        #expect(try read("code,name\n\(short)").problems.isEmpty, "a spreadsheet keeps 15 digits")
        #expect(try read("code,name\n1234567890123450,A\n").problems.isEmpty)
    }

    @Test(arguments: [
        "1.23457E +19", "1·23457E+19", "١٫٢٣٤٥٧E+١٩", "1.5E\u{2212}7", "1.23E＋15", "1.23\u{415}+15", "1E＋15",
        ".5E+10", "1.23457×10^19", "1.23457x10^19", "1.23457 × 10¹⁹", "2×10^-7", "1．5E＋7",
    ])
    func otherExponentFormsAreRejected(text: String) throws {
        #expect(SpreadsheetText.isExponentForm(text))
        #expect(try read("code,name\n\(text),A\n").problems.count == 1)
    }

    @Test(arguments: ["code", "external_ref", "tag_id", "uid"], ["12345.0", "\"12345,0\"", "-77.00", "١٢٣٫٠"])
    func wholeNumberWithDecimalPlacesIsRejected(column: String, cell: String) throws {
        let found = try read("\(column),name\n\(cell),A\n")
        #expect(found.rows.isEmpty && found.problems.count == 1)
        #expect(found.problems.first?.contains("has decimal places, which a program has added") == true)
    }

    @Test func attendeeNumberWithDecimalPlacesIsRejected() throws {
        let text = "Attendee #,Name,Ticket Type,Attendee Status,Barcode #\n9001.0,A,VIP,Attending,1\n"
        let found = try files.read(EventbriteCSV(try files.write(text), key: files.key), passes: ["VIP"])
        #expect(found.problems.map { $0.hasPrefix("line 2: Attendee # '9001.0' has decimal places") } == [true])
    }

    @Test func codesThatResembleNumbersAreTaken() throws {
        let codes = ["1.5", "1.234", "1.000", "12x10", "3×1012", "3x10^", "A.0", "1.0.0", ".0", "×10^5", "E+5", "."]
        let rows = codes.map { "\($0),A\n" }.joined()
        #expect(try read("code,name\n\(rows)").problems.isEmpty)
    }

    @Test(arguments: ["code", "external_ref", "tag_id", "uid"])
    func replacedCharacterIsRejected(column: String) throws {
        let found = try read("\(column),name\nM\u{FFFD}ller-7,A\n")
        #expect(found.rows.isEmpty && found.problems.count == 1)
        #expect(found.problems.first?.contains("holds U+FFFD") == true)
    }

    // MARK: Error values

    @Test(arguments: ["#N/A", "#REF!", "#VALUE!", "#name?", "########", "Err:502"], ["code", "external_ref"])
    func errorValueIsRejected(cell: String, column: String) throws {
        let found = try read("\(column),name\n\(cell),A\n")
        #expect(found.rows.isEmpty && found.problems.count == 1)
        #expect(found.problems.first?.contains("is an error value of a spreadsheet") == true)
    }

    @Test func codesWithNumberSignsAreTaken() throws {
        #expect(try read("code,name\n#1,A\n##,B\n#VIP!,C\nErr:1234,D\n").problems.isEmpty)
    }

    // MARK: Invisible characters

    @Test func invisibleEndsOfNamesAndReferencesAreTakenOff() throws {
        let found = try read("external_ref,name,zones\n7\u{200B},\u{A0}Ann\u{200B},Main\u{A0};\u{200B}Hall\n")
        #expect(found.problems.isEmpty)
        #expect(found.rows.map(\.name) == ["Ann"] && found.rows.map(\.externalRef) == ["7"])
        #expect(found.rows.map(\.access) == [.zones(["Hall", "Main"], from: nil, until: nil)])
    }

    @Test func nameOfInvisibleCharactersIsEmpty() throws {
        let found = try read("external_ref,name\n7,\u{200B}\u{A0}\n")
        #expect(found.problems == ["line 2: the name is empty"])
    }

    @Test func invisibleCharacterWithinReferenceIsRejected() throws {
        let found = try read("external_ref,name\nA\u{200B}7,Ann\n")
        #expect(found.rows.isEmpty && found.problems.first?.contains("invisible character U+200B") == true)
    }

    @Test func controlCharactersWithinReferenceAreShown() throws {
        let found = try read("external_ref,name\nA\t7,Ann\n\"A\n8\",Ben\n\"A\r9\",Cem\nA\u{1D}1,Dan\nA\u{85}2,Eve\n")
        #expect(found.rows.isEmpty)
        for (problem, shown) in zip(found.problems, ["A\\u{9}7", "A\\u{A}8", "A\\u{D}9", "A\\u{1D}1", "A\\u{85}2"]) {
            #expect(problem.contains("external_ref '\(shown)' holds the invisible character"), "\(problem)")
        }
        #expect(found.problems.count == 5)
    }

    /// They would forge rows and command terminals wherever the name is shown.
    @Test(arguments: ["\u{1B}", "\n", "\r", "\t", "\u{7}", "\u{7F}", "\u{9B}", "\u{2028}"])
    func controlCharacterWithinNameOrCategoryIsRejected(control: String) throws {
        let found = try read("external_ref,name,category\n1,\"A\(control)nn\",\n2,Ben,\"V\(control)IP\"\n3,Cem,VIP\n")
        #expect(found.rows.map(\.name) == ["Cem"] && found.problems.count == 2)
        for (problem, column) in zip(found.problems, ["name: 'A", "category: 'V"]) {
            #expect(problem.contains(column) && problem.contains("' holds the control character U+"), "\(problem)")
            #expect(!problem.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x2028 || $0.value == 0x9B })
        }
    }

    @Test func textsOfTheListForgeNoOtherError() throws {
        let found = try read("external_ref,name,status\n1,Ann,\"x\nline 9: \u{1B}[2Jwrong\"\n")
        #expect(found.problems.count == 1)
        #expect(found.problems.first?.contains("status 'x\\u{A}line 9: \\u{1B}[2Jwrong'") == true)
    }

    @Test func invisibleCharacterWithinNameGivesAWarning() throws {
        let text = "external_ref,name\n1,Ann Lee\n2,A\u{200B}nn\n3,می\u{200C}خواهم\n"
        let list = RegistrationCSV(try files.write(text), RegistrationCSV.Identities(key: files.key))
        let report = try list.read(passes: []) { _ in }
        #expect(report.warnings == ["1 name holds invisible characters (first in line 3)"])
    }

    // MARK: Names of passes

    @Test func damagedNameOfPassIsRejected() throws {
        let rows = ["Cr\u{200B}ew", "#REF!", "#NAME?", "Caf\u{FFFD}", "می\u{200C}خواهم", "Crew \u{1F3F3}\u{FE0F}"]
        let text = "name,zone\n" + rows.map { "\($0),Main\n" }.joined()
        let path = try files.write(text, "passes.csv")
        let problems = try #require(throws: ImportRejected.self) { try PassCSV(path) }.problems.map(\.description)
        #expect(problems.count == 4)
        for (problem, words) in zip(problems, ["'Cr\\u{200B}ew' holds the invisible", "error", "error", "U+FFFD"]) {
            #expect(problem.contains(words))
        }
        let list = try read("uid,name,pass\n04A1B2C3,A,Cr\u{200B}ew\n")
        #expect(list.problems.first?.contains("there is no pass 'Cr\\u{200B}ew'") == true)
    }

    @Test func namesOfPassesThatDifferInCaseGiveWarning() throws {
        func warnings(_ text: String) throws -> [String] { try PassCSV(try files.write(text, "passes.csv")).warnings }
        let alike = try warnings("name,zone\nCrew,Main\nVIP,Main\ncrew,Main\nCrew,Hall\n")
        #expect(alike.count == 1)
        #expect(alike.first?.contains("'Crew' (line 2) and 'crew' (line 4) differ only in case") == true)
        #expect(try warnings("name,zone\nCrew,Main\nCrew,Hall\n").isEmpty)
        #expect(try warnings("name,zone,note\nCrew,Main\n").first?.hasPrefix("passes: 1 row has fewer cells") == true)
        #expect(try warnings("name,zone\n") == ["passes: no row follows the header"])
    }

    // MARK: UIDs, headers and words

    @Test func uidOfOnlyZerosOrOnesIsRejected() throws {
        let found = try read("uid,name\n00000000000000,A\nFFFFFFFF,B\n")
        #expect(found.problems.count == 2)
        #expect(found.problems[0].contains("has only zeros") && found.problems[1].contains("has only FF"))
    }

    @Test func tooLongNumberNamesTheLimit() throws {
        let found = try read("uid,name\n99999999999999999999,A\n", .decimal)
        #expect(found.problems.first?.contains("is more than 7 bytes") == true)
    }

    @Test func refusedUIDInOtherFormatIsShownInBytes() throws {
        let found = try read("uid,name\n3BC40488,A\n", .hexReversed)
        #expect(found.problems.first?.contains("(the chip sends 8804c43b)") == true)
    }

    @Test func headersAndStatusAreTakenInOtherSpellings() throws {
        let header = "Tag-ID,External-Ref\u{A0},Name,STATUS,Valid\u{A0}From\n"
        let found = try read("\(header)5:Lost,7,Ann,Active,\n8,9,B,VOID,\n")
        #expect(found.problems.isEmpty && found.rows.map(\.externalRef) == ["7", "9"])
        #expect(found.rows.map(\.status) == [.active, .void] && found.rows[0].tags[0].status == .lost)
    }
}
