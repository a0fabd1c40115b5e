import CLI
import Postgres
import ScanModel
import TestSupport
import Testing

@testable import RegistrationLists
@testable import Registry

/// Texts of lists on their way into the database, out of it and in again.
@Suite struct RegistryListTextTests {
    private let world: RegistryFixture

    init() throws { world = try RegistryFixture() }

    private func exported(_ world: RegistryFixture) throws -> (list: String, passes: String) {
        var (list, passes): ([UInt8], [UInt8]) = ([], [])
        _ = try world.registry.exportList { list += $0 }
        _ = try world.registry.exportPasses { passes += $0 }
        return (String(decoding: list, as: UTF8.self), String(decoding: passes, as: UTF8.self))
    }

    /// Returns all cells with text.
    private func cells(_ csv: String) throws -> [String] {
        var cells: [String] = []
        var reader = CSVReader()
        let note = { (item: CSVReader.Item) in
            if case .record(let record) = item { cells += record.cells.compactMap(\.self) }
        }
        try reader.read(Array(csv.utf8)[...], note)
        try reader.finish(note)
        return cells
    }

    private func isFormula(_ cell: String) -> Bool { cell.first.map { "=+-@＝＋－＠\t\r".contains($0) } ?? false }

    /// Exports the registry, imports the files into an empty one, and expects the same registry and the same files.
    private func expectRoundTrip() throws {
        let files = try exported(world)
        for cell in try cells(files.list) + cells(files.passes) { #expect(!isFormula(cell), "\(cell)") }
        let other = try RegistryFixture()
        var options = ImportOptions()
        // Zones whose names resemble each other are intended here.
        options.makeZones = true
        _ = try other.registry.import(
            RegistrationCSV(try other.write(files.list), RegistrationCSV.Identities(key: nil)),
            passes: try PassCSV(try other.write(files.passes, "passes.csv")), options)
        let texts = """
            SELECT a.external_ref, a.name, a.category, p.name, p.colour, p.note,
                (SELECT string_agg(z.name, '|' ORDER BY z.name) FROM tapline.access x JOIN tapline.zones z ON z.id = x.zone_id
                 WHERE x.pass_id = p.id)
            FROM tapline.attendees a LEFT JOIN tapline.passes p ON p.id = a.pass_id ORDER BY a.id
            """
        #expect(try other.rows(texts) == world.rows(texts))
        #expect(try exported(other) == files)
    }

    @Test func exportedFormulasAreMarkedAndSurviveRoundTrip() throws {
        try world.importPasses("name,colour,note,zone\n=Crew,-,@note,+Hall\n'-Crew,,,'=Hall\n")
        let done = try world.import(
            #"""
            code,name,zones,pass,external_ref,category
            X1,"=HYPERLINK(""http://x"",""y"")",Main,,+49123,-
            X2,@SUM(A1),-Main;Yard,,-2,=1+1
            X3,＝1+1,,=Crew,R-3,'t Hooft
            X4,''=1,,-Crew,R-4,''t Hooft
            """#)
        #expect(done.added == 4)
        // By SQL, with an apostrophe at the beginning.
        try world.connection.execute(
            """
            INSERT INTO tapline.attendees (name, category, external_ref)
            VALUES ('=1', '+1', '''R'), ('''', '''''', '''=R')
            """)
        let names = try world.rows("SELECT name FROM tapline.attendees ORDER BY id")
        #expect(names[0] == #"=HYPERLINK("http://x","y")"# && names[3] == "'=1")
        try expectRoundTrip()
        #expect(try cells(exported(world).list).contains("'@SUM(A1)"))
        #expect(try cells(exported(world).passes).contains("'+Hall"))
    }

    @Test func randomTextsSurviveRoundTrip() throws {
        var random = TestRandom(seed: 14)
        // A list rejects references with invisible characters, and this is one.
        let printable = Array("='+-@＝ a\",").map(String.init)
        let alphabet = printable + ["\u{AD}"]
        func text(_ alphabet: [String]) -> String {
            let middle = (0..<Int.random(in: 0..<5, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? "a"
            }.joined()
            // Blanks at the ends are lost.
            return (["=", "'", "+", "-", "@", "x"].randomElement(using: &random) ?? "x") + middle + "x"
        }
        for number in 0..<200 {
            try world.connection.query(
                "INSERT INTO tapline.attendees (name, category, external_ref) VALUES ($1, $2, $3)",
                [.text(text(alphabet)), .text(text(alphabet)), .text(text(printable) + "\(number)")])
        }
        try expectRoundTrip()
    }

    @Test func exportNamesTheTextsThatNoImportTakes() throws {
        try world.connection.execute(
            """
            INSERT INTO tapline.attendees (id, name, external_ref) OVERRIDING SYSTEM VALUE
            VALUES (7001, 'Ann', 'R-1'), (7002, 'Ben', E'"A",\tB'), (7003, 'Cem', E'A\nB'), (7004, 'Dan', 'A ')
            """)
        var list: [UInt8] = []
        let done = try world.registry.exportList { list += $0 }
        #expect(done.rows == 4 && done.refusedTexts == 3)
        let refusal = try #require(done.firstRefusal)
        #expect(refusal.hasPrefix(#"external_ref '"A",\u{9}B' holds the invisible character U+0009"#), "\(refusal)")
        #expect(refusal.contains("UPDATE tapline.attendees") && refusal.hasSuffix("WHERE id = 7002)"), "\(refusal)")
        let path = try world.write("", "out.csv")
        let run = try Run.it("tapline-center", ["export", "--database-url", world.database.url, "--out", path])
        #expect(run.end == .exit(1))
        #expect(run.errors.contains("refuses 3 texts, first external_ref"), "\(run.errors)")
        // What the message asks for makes the list complete.
        try world.connection.execute(
            "UPDATE tapline.attendees SET external_ref = 'R-' || id WHERE id BETWEEN 7002 AND 7004")
        #expect(try world.registry.exportList { _ in }.firstRefusal == nil)
        try expectRoundTrip()
        // Names of people, passes and zones by the same rule. Controls at the ends are taken off by both sides.
        for (table, column) in [
            ("attendees", "name"), ("attendees", "category"), ("passes", "name"), ("zones", "name"),
        ] {
            try world.connection.execute(
                """
                BEGIN; INSERT INTO tapline.zones (id, name) OVERRIDING SYSTEM VALUE VALUES (7001, 'Hall');
                INSERT INTO tapline.passes (id, name) OVERRIDING SYSTEM VALUE VALUES (7001, 'Day'); COMMIT;
                UPDATE tapline.\(table) SET \(column) = E'A\\u009BB' WHERE id = 7001
                """)
            let refusal = try #require(try world.registry.exportList { _ in }.firstRefusal, "\(table) \(column)")
            #expect(refusal.hasPrefix(#"\#(column) 'A\u{9B}B' holds the control character U+009B"#), "\(refusal)")
            #expect(refusal.hasSuffix("(UPDATE tapline.\(table) SET \(column) = 'TEXT' WHERE id = 7001)"), "\(refusal)")
            try world.connection.execute(
                """
                UPDATE tapline.\(table) SET \(column) = E'\\tA' WHERE id = 7001;
                DELETE FROM tapline.zones WHERE id = 7001; DELETE FROM tapline.passes WHERE id = 7001
                """)
        }
        #expect(try world.registry.exportList { _ in }.firstRefusal == nil)
    }

    @Test func localTimeIsRefusedWithExampleInTimeZoneOfEvent() throws {
        try world.setEvent {
            $0.name = "Fair"
            $0.timeZone = "Europe/Berlin"
        }
        let refused = try world.refused(
            """
            uid,name,zones,valid_from
            01,Ann,Main,2026-05-06 08:00
            02,Ben,Main,2026-12-06T08:00:00
            03,Cem,Main,06.05.2026
            04,Dan,Main,tomorrow
            """)
        #expect(refused[0].hasSuffix("has no offset from UTC: in Europe/Berlin, write 2026-05-06T08:00:00+02:00"))
        #expect(refused[1].hasSuffix("in Europe/Berlin, write 2026-12-06T08:00:00+01:00"))
        #expect(refused[2].contains("has no time and no offset from UTC: in Europe/Berlin, "))
        #expect(refused[2].hasSuffix("write 2026-05-06T00:00:00+02:00"))
        #expect(refused[3].contains("is not an RFC 3339 time"))
        #expect(refused[3].contains("; in Europe/Berlin, write as 20"))
        try world.setEvent { $0.timeZone = "America/St_Johns" }
        let passes = try world.write("name,zone,valid_from\nCrew,Main,2026-01-06 08:00\n", "passes.csv")
        let rejected = try #require(throws: ImportRejected.self) {
            try world.registry.withTimeExamples { _ = try PassCSV(passes) }
        }
        #expect(rejected.description.hasSuffix("in America/St_Johns, write 2026-01-06T08:00:00-03:30"))
    }

    @Test func summaryCountsUIDsAndWarns() throws {
        var identities = RegistrationCSV.Identities(key: world.key)
        func run(_ csv: String) throws -> ImportSummary {
            try world.registry.import(RegistrationCSV(try world.write(csv), identities))
        }
        let refused = try #require(throws: ImportRejected.self) {
            try run("uid,name\n04A1B2C3,Ann\nA1B2C3,Ben\n08A1B2C3,Cem\n")
        }
        #expect(refused.count == 2 && refused.has(.uidLengths))
        #expect(refused.description.hasSuffix("\nUIDs: 2 of 3 have 4 bytes, 1 of 3 has 3 bytes"))
        identities.uidLengths = [3, 4]
        let done = try run("uid,name\n04A1B2C3,Ann\nA1B2C3,Ben\n")
        #expect(done.description.hasSuffix("; UIDs: 1 of 2 has 3 bytes, 1 of 2 has 4 bytes") && done.warnings.isEmpty)
        identities.format = .decimal
        let wiegand = try run("uid,name\n1234567,Cem\n")
        #expect(wiegand.added == 1 && wiegand.description.contains("\nwarning: every UID is a number below 16777216"))
        #expect(try JSONOutput.line(wiegand).contains(#""warnings":["every UID is a number"#))
    }

    @Test func cutListIsRefused() throws {
        let list = "uid,name,external_ref,category\n01,Ann,R-1,vip\n02,Ben,R-2"
        for voidsMissing in [true, false] {
            let problems = try world.refused(list) { $0.voidMissing = voidsMissing }
            #expect(problems.count == 1 && problems[0].hasPrefix("line 3: the file is cut off"))
        }
        #expect(try world.rows("SELECT count(*) FROM tapline.attendees") == ["0"])
        #expect(try world.import(list + "\n") { $0.voidMissing = true }.added == 2)
    }

    @Test func listWithoutRowsGivesWarning() throws {
        let done = try world.import("uid,name\n")
        #expect(done.rows == 0 && done.warnings == ["the list has no rows: is it the right file?"])
        #expect(try world.importPasses("name,zone\n").warnings == ["passes: no row follows the header"])
        #expect(try world.import("uid,name\n04A1B2C3,Ann\n").warnings.isEmpty)
    }

    @Test func errorValueIsNoNameOfAZone() throws {
        for text in ["#REF!", "#N/A"] {
            let error = try world.failed("uid,name,zones\n01,Ann,\(text)\n") { $0.makeZones = true }
            #expect(error.contains("error value of a spreadsheet"))
        }
        #expect(try world.rows("SELECT count(*) FROM tapline.zones") == ["0"])
    }

    @Test func listWithoutTotalsThatVoidsMissingGivesWarning() throws {
        let orders = #"[{"code": "A", "status": "p", "positions": []}]"#
        let paths = [
            try world.write(orders, "orders.json"),
            try world.write(
                #"[{"id": 1, "order": "A", "positionid": 1, "item": 1, "secret": "s", "canceled": true}]"#, "list.json"),
            try world.write(#"[{"id": 1, "name": "Festival", "admission": true}]"#, "items.json"),
        ]
        var options = ImportOptions()
        options.voidMissing = true
        let uncounted = try world.registry.import(PretixExport(paths, key: world.key), options)
        #expect(uncounted.warnings.count == 1 && uncounted.warnings[0].contains("do not say how many entries"))
    }

    @Test func correctedNameIsStoredAsMessageSays() throws {
        try world.import("uid,name\n04A1B2C3,Jose Nunez\n")
        let refused = try world.refused("uid,name\n04A1B2C3,José Núñez\n")
        #expect(refused[0].contains("import the row once as Jose Nunez with an external_ref, then as José Núñez"))
        try world.import("uid,name,external_ref\n04A1B2C3,Jose Nunez,R-1\n")
        let changed = try world.import("uid,name,external_ref\n04A1B2C3,José Núñez,R-1\n")
        #expect(changed.changed == 1 && changed.added == 0)
        #expect(try world.refused("uid,name\n04A1B2C3,Anna\n")[0].hasSuffix("give the row external_ref R-1"))
    }

    @Test(arguments: [
        "x'); DROP TABLE tapline.tags; --", "x\\'; DELETE FROM tapline.attendees; --", "$1, $$ || pg_sleep(9) || $$",
        "%s %I {1,2} \\N",
    ])
    func sqlInNamesIsText(_ name: String) throws {
        let cell = "\"\(name)\""
        let zone = name.replacing(";", with: ":")
        try world.setEvent { $0.name = name }
        _ = try world.registry.addScanner(try #require(ScannerID("lane-1")), gate: name, zone: zone)
        let list = "uid,name,category,external_ref,zones\n04A1B2C3,\(cell),\(cell),\(cell),\"\(zone)\"\n"
        #expect(try world.import(list).added == 1)
        #expect(try world.import(list).unchanged == 1)
        let texts = try world.rows("SELECT name, category, external_ref FROM tapline.attendees")
        #expect(texts == ["\(name)|\(name)|\(name)"])
        #expect(try world.rows("SELECT name FROM tapline.event") == [name])
        #expect(try world.rows("SELECT name FROM tapline.gates") == [name])
        #expect(try world.rows("SELECT name FROM tapline.zones") == [zone])
        #expect(try world.rows("SELECT count(*) FROM tapline.tags") == ["1"])
    }
}
