import ScanModel
import Testing

@testable import RegistrationLists

@Suite struct RegistrationCSVTests {
    private let files: ListFiles

    init() throws { files = try ListFiles() }

    private func source(_ text: String) throws -> RegistrationCSV {
        RegistrationCSV(try files.write(text), RegistrationCSV.Identities(key: files.key))
    }

    private func read(_ text: String) throws -> ListFiles.Found {
        try files.read(try source(text), passes: ["=Crew", "-"])
    }

    private func report(_ text: String) throws -> RegistrationReport {
        try source(text).read(passes: []) { _ in }
    }

    private func headerError(_ text: String) throws -> String {
        try #require(throws: RowError.self) { try read(text) }.description
    }

    // MARK: Header and form

    @Test func headerIsReadInAnyCase() throws {
        let found = try read("UID,Name,ZONES,External Ref,Valid_From\n04A1B2C3,Ann,Main,R-1,2026-05-06T08:00:00Z\n")
        #expect(found.problems.isEmpty && found.rows.map(\.externalRef) == ["R-1"])
        #expect(try headerError("uid,UID,name\n").contains("'UID' appears twice"))
        let passes = try PassCSV(try files.write("NAME,Zone,ReEntry\nCrew,Main,free\n", "passes.csv"))
        #expect(passes.entries.first?.texts == [.reentry: "free"])
    }

    @Test func emptyColumnsAndShortRowsAreTaken() throws {
        let empty = try read("uid,name,zones,,,\n04A1B2C3,Ann,Main,,,\n,,,,,\n04A1B2C4,Ben,Main\n04A1B2C5,Cem\n")
        #expect(empty.problems.isEmpty && empty.rows.map(\.name) == ["Ann", "Ben", "Cem"])
        let short = try read("uid,name,zones,category\r\n04A1B2C3,Ann,Main\r\n04A1B2C4,Ben,Main,vip,,\r\n")
        #expect(short.problems.isEmpty && short.rows.map(\.category) == [nil, "vip"])
        let text = try read("uid,,name,,\n04A1B2C3,x,Ann,,\n04A1B2C4,,Ben,,,y\n04A1B2C5,,Cem,z\n04A1B2C6,,Dan\n")
        #expect(
            text.problems == [
                "line 2: 'x' is in column 2, which has no name in the header", "line 3: 6 fields, but the header has 5",
                "line 4: 'z' is in column 4, which has no name in the header",
            ])
        #expect(text.rows.map(\.name) == ["Dan"])
        let passes = try PassCSV(try files.write("name,zone,note,,\nCrew,Main\n,,,,\n", "passes.csv"))
        #expect(passes.entries.map(\.name) == ["Crew"])
    }

    @Test(arguments: ["SEP=;\n", "\"sep=;\"\r\n", "sep=;\r", "\u{FEFF}Sep=;\n"])
    func declaredSeparatorIsTakenInEachSpelling(line: String) throws {
        let found = try read(line + "uid;name\n04A1B2C3;Ann, Lee\n")
        #expect(found.problems.isEmpty && found.rows.map(\.name) == ["Ann, Lee"] && found.rows[0].number == 3)
    }

    @Test(arguments: ["uid|name|zones", "uid،name", "uid；name"])
    func otherSeparatorIsNamed(header: String) throws {
        #expect(try headerError(header + "\n").contains("separates the columns: save the file with commas"))
    }

    @Test(arguments: ["\u{1A}", "\u{1A}\r\n"])
    func endMarkOfAFileIsNoRow(mark: String) throws {
        let found = try read("uid,name\r\n04A1B2C3,Ann\r\n\(mark)")
        #expect(found.problems.isEmpty && found.rows.map(\.name) == ["Ann"])
    }

    @Test func shortRowsGiveWarning() throws {
        #expect(try report("uid,name,zones\n04A1B2C3,Ann,Main\n").warnings.isEmpty)
        let short = try report("uid,name,zones\n04A1B2C3,Ann\n04A1B2C4,Ben,\n04A1B2C5,Cem\n").warnings
        #expect(short == ["2 rows have fewer cells than the header (first in line 2): the missing cells are empty"])
    }

    @Test func shortLastRowWithoutLineEndIsRefused() throws {
        let cut = try read("uid,name,zones\n04A1B2C5,Cem\n04A1B2C3,Ann,Main\n04A1B2C4,Be")
        #expect(cut.rows.map(\.name) == ["Cem", "Ann"])
        #expect(cut.problems.count == 1)
        #expect(cut.problems[0].hasPrefix("line 4: the file is cut off: its last row has no line end"))
        #expect(cut.problems[0].contains("only 2 of 3 cells"))
        let whole = try read("uid,name,zones\n04A1B2C3,Ann,Main\n04A1B2C4,Ben,")
        #expect(whole.problems.isEmpty && whole.rows.map(\.name) == ["Ann", "Ben"])
        let path = try files.write("name,zone,note\nCrew,Main,\nGuest,Ma", "passes.csv")
        let rejected = try #require(throws: ImportRejected.self) { try PassCSV(path) }
        #expect(rejected.description.hasPrefix("line 3: the file is cut off"))
    }

    @Test func allUnknownColumnsAreNamedWithNearest() throws {
        let error = try headerError("uid,nmae,zone,Shoe size\n04A1B2C3,Ann,Main,38\n")
        #expect(error.hasPrefix("line 1: unknown columns 'nmae' (do you mean 'name'?), "))
        #expect(error.contains("'zone' (do you mean 'zones'?), 'Shoe size'; known are category, code, external_ref"))
        #expect(try headerError("uid,name,shoe\n").contains("unknown column 'shoe'; known are "))
        let passes = try files.write("name,zone,colours,reentri\n", "passes.csv")
        let rejected = try #require(throws: ImportRejected.self) { try PassCSV(passes) }
        #expect(rejected.description.contains("'colours' (do you mean 'colour'?), 'reentri' (do you mean 'reentry'?)"))
        let many = try headerError("uid,name," + (0..<300).map { "x\($0)" }.joined(separator: ",") + "\n")
        #expect(many.contains("'x19' and 280 more; known"))
    }

    @Test func headerBelowTitleLinesIsFound() throws {
        let hint = "line 3 has the names of the columns. Delete the lines above it"
        #expect(try headerError("Guests of 2026\n\nuid,name,zones\n04A1B2C3,Ann,Main\n").contains(hint))
        #expect(try headerError("Guests, of 2026\n\nuid;name;zones\n04A1B2C3;Ann;Main\n").contains(hint))
        let report =
            "Attendee Summary\n\nOrder #,First Name,Last Name,Ticket Type,Attendee #,Barcode #,Attendee Status\n"
        let eventbrite = EventbriteCSV(try files.write(report), key: files.key)
        let error = try #require(throws: RowError.self) { try files.read(eventbrite) }
        #expect(error.description == "line 1: this is not the header: \(hint)")
        let passes = try files.write("Passes\nof 2026\nname,zone\nCrew,Main\n", "passes.csv")
        #expect(try #require(throws: ImportRejected.self) { try PassCSV(passes) }.description.contains(hint))
        // The header itself is invalid.
        #expect(try headerError("uid,name,shoe\n04A1B2C3,name,uid\n").contains("unknown column 'shoe'"))
        #expect(try headerError("uid,zones\n04A1B2C3,Main\n").contains("'name' is missing"))
    }

    // MARK: Cells

    @Test func arabicAndWideSemicolonsSeparateZones() throws {
        let found = try read("uid,name,zones\n04A1B2C3,Ann,Main؛ Lobby；Hall;Yard\n")
        #expect(found.rows.map(\.access) == [.zones(["Hall", "Lobby", "Main", "Yard"], from: nil, until: nil)])
        let passes = try files.write("name,zone\nCrew,Main؛Lobby\n", "passes.csv")
        let rejected = try #require(throws: ImportRejected.self) { try PassCSV(passes) }
        #expect(rejected.description.contains("one zone per row"))
    }

    @Test func yearsOutsideTwoCenturiesAreRefused() throws {
        func problem(_ time: String) throws -> String? {
            try read("uid,name,zones,valid_until\n04A1B2C3,Ann,Main,\(time)\n").problems.first
        }
        for time in [
            "1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "0026-05-06T08:00:00Z", "2000-01-01T00:00:00+04:00",
        ] {
            #expect(
                try problem(time) == "line 2: valid_until '\(time)' is not in the years 2000 to 2199", "\(time)")
        }
        for time in ["2000-01-01T00:00:00Z", "2199-12-31T23:59:59Z", ""] { #expect(try problem(time) == nil) }
        #expect(throws: ImportRejected.self) {
            try PassCSV(try files.write("name,zone,valid_from\nCrew,Main,0206-05-06T08:00:00Z\n", "passes.csv"))
        }
    }

    @Test func localTimesAreRefused() throws {
        var remedies: [RowError.Remedy?] = []
        let times = ["2026-05-06 08:00", "2026-05-06T08:00:30", "2026-05-06", "06.05.2026 08:00", "2026-02-30 08:00"]
        let rows = times.enumerated().map { "04A1B2C\($0.offset),Ann,Main,\($0.element)\n" }.joined()
        let list = try source("uid,name,zones,valid_from\n" + rows)
        _ = try list.read(passes: []) { if case .problem(let problem) = $0 { remedies.append(problem.remedy) } }
        #expect(
            remedies == [
                .timeOffset(local: "2026-05-06T08:00:00"), .timeOffset(local: "2026-05-06T08:00:30"),
                .timeOffset(local: "2026-05-06T00:00:00"), .timeOffset(local: "2026-05-06T08:00:00"),
                .timeOffset(local: nil),
            ])
    }

    @Test func markOfFormulasIsTakenOff() throws {
        for (cell, text) in [
            ("'=1+1", "=1+1"), ("=1+1", "=1+1"), ("''=1+1", "'=1+1"), ("'-", "-"), ("'@SUM(A1)", "@SUM(A1)"),
            ("'+49", "+49"), ("'\tx", "\tx"), ("' =x", " =x"), ("'t Hooft", "'t Hooft"), ("''t Hooft", "''t Hooft"),
            ("'", "'"), ("''", "''"), ("'＝x", "＝x"), ("'Ann", "'Ann"),
        ] { #expect(FormulaMark.unmarked(cell) == text, "\(cell)") }
        let found = try read(
            "uid,name,category,external_ref,pass\n04A1B2C3,'=Ann,'-,'-2,'=Crew\n04A1B2C4,Ben,,'+4,'-\n")
        #expect(found.problems.isEmpty && found.rows.map(\.name) == ["=Ann", "Ben"])
        #expect(found.rows.map(\.category) == ["-", nil] && found.rows.map(\.externalRef) == ["-2", "+4"])
        #expect(found.rows.map(\.access) == [.passes([.init(pass: "=Crew")]), .passes([.init(pass: "-")])])
    }

    @Test func wrongLengthsAreReportedWithCounts() throws {
        let list = "uid,name,zones\n123456,Ann,Main\nAB1C2D,Bob,Main\nAB1C2D3E4F,Cy,Main\nAB,Di,Main\n"
        let found = try read(list)
        #expect(found.rows.isEmpty && found.problems.count == 4)
        #expect(
            found.problems[0]
                == "line 2: uid '123456' has 3 bytes, but chips have 4, 7 or 10: were zeros or digits lost?")
        #expect(
            try report(list).uids.description == "UIDs: 2 of 4 have 3 bytes, 1 of 4 has 1 byte, 1 of 4 has 5 bytes")
        #expect(try read("sun,name\n08A1B2C3,Ann\n").problems.first?.contains("new random UID") == true)
        let reversed = "uid,name\n" + (10..<20).map { "801122\($0)A1B204,Person \($0)\n" }.joined()
        #expect(throws: RegistrationListError.self) { try read(reversed) }
    }
}
