import ErrorModel
import Postgres
import RegistrationLists
import Registry
import ScanModel
import Testing

@Suite struct RegistryImportTests {
    private let world: RegistryFixture

    init() throws { world = try RegistryFixture() }

    @Test func secondImportOfListWritesNothing() throws {
        let csv = #"""
            \#u{feff}uid,sun,code,name,category,zones,valid_from,valid_until,status,external_ref\#r
            04:A1:b2:c3,,,"Doe, ""Jane""",vip,Hall;Lobby,2026-05-06T08:00:00Z,,active,R-1\#r
            ,04a1b2c3,,Second,guest,Lobby;Hall,2026-05-06T12:00:00+04:00,,,R-2\#r

            ,,ABC-1,Third,,,,,blocked,\#r
            aabbccdd,,,"Doe, ""Jane""",vip,Hall;Lobby,2026-05-06T08:00:00Z,,active,R-1\#r
            0a0a,,XY,Fourth,,,,,,\#r
            """#
        let first = try world.import(csv)
        #expect(first.rows == 5 && first.added == 4 && first.tagsAdded == 6 && first.passesMade == 1)
        #expect(first.zonesMade == ["Hall", "Lobby"])
        let people = """
            SELECT a.name, category, status, external_ref, pass_id IS NULL,
                (SELECT count(*) FROM tapline.tags t WHERE t.attendee_id = a.id)
            FROM tapline.attendees a ORDER BY id
            """
        #expect(
            try world.rows(people) == [
                #"Doe, "Jane"|vip|active|R-1|f|2"#, "Second|guest|active|R-2|f|1", "Third|-|blocked|-|t|1",
                "Fourth|-|active|-|t|2",
            ])
        #expect(
            try world.rows(
                """
                SELECT count(DISTINCT pass_id), count(*), min(z.name), max(z.name), min(valid_from), max(valid_until)
                FROM tapline.access a JOIN tapline.zones z ON z.id = a.zone_id
                """) == ["1|2|Hall|Lobby|2026-05-06 08:00:00+00|-"])
        let identities: [TagIdentity] = [
            .uid([0x04, 0xa1, 0xb2, 0xc3]), .sun([0x04, 0xa1, 0xb2, 0xc3]), .code("ABC-1"),
            .uid([0xaa, 0xbb, 0xcc, 0xdd]), .uid([0x0a, 0x0a]), .code("XY"),
        ]
        #expect(
            try world.rows("SELECT tag_id FROM tapline.tags ORDER BY tag_id")
                == identities.map { world.key.tagID(of: $0).rawValue }.sorted().map(String.init))
        let picture = try world.picture()
        let again = try world.import(csv)
        #expect(again.added == 0 && again.changed == 0 && again.unchanged == 4 && again.tagsAdded == 0)
        #expect(again.passesMade == 0 && again.zonesMade.isEmpty)
        #expect(try world.picture() == picture)
    }

    @Test func triggersFireOnlyForChangedTables() throws {
        let csv = "uid,name,zones,external_ref\n01,Ann,Hall,R-1\n02,Ben,Hall,R-2\n"
        try world.import(csv)
        try world.connection.execute(
            """
            CREATE TABLE fired (relation text);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN INSERT INTO fired VALUES (TG_TABLE_NAME); RETURN NULL; END $$;
            """)
        for table in ["attendees", "tags", "passes", "access", "zones"] {
            try world.connection.execute(
                "CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON tapline.\(table) EXECUTE FUNCTION note()")
        }
        try world.import(csv) { ($0.voidMissing, $0.replaceTags) = (true, true) }
        #expect(try world.rows("SELECT * FROM fired").isEmpty)
        try world.import(csv + "03,Ben,Hall,R-2\n")
        #expect(try world.rows("SELECT * FROM fired") == ["tags"])
    }

    @Test func onlyChangesForGatesAreRecordedForCenters() throws {
        func recorded() throws -> Int {
            Int(try world.connection.query("SELECT count(*) FROM tapline_internal.registry_changes").int(0, 0))
        }
        func told(_ csv: String) throws -> Int {
            let before = try recorded()
            try world.import(csv) { $0.voidMissing = true }
            return try recorded() - before
        }
        let head = "uid,name,category,zones,external_ref\n"
        #expect(try told(head + "01,Ann,guest,Hall,R-1\n02,Ben,guest,Hall,R-2\n") == 1)
        #expect(try told(head + "01,Ann,guest,Hall,R-1\n02,Ben,guest,Hall,R-2\n") == 0)
        #expect(try told(head + "01,Anna,vip,Hall,R-1\n02,Ben,guest,Hall,R-2\n") == 0)
        #expect(try told(head + "01,Anna,vip,Hall,R-1\n02,Ben,guest,,R-2\n") == 1)
        #expect(
            try world.rows("SELECT name, category, pass_id IS NULL FROM tapline.attendees ORDER BY id") == [
                "Anna|vip|f", "Ben|guest|t",
            ])
    }

    @Test func listChangesOnlyDataOfItsColumns() throws {
        try world.import("uid,name,category,zones,external_ref\n01,Ann,vip,Hall,R-1\n02,Ben,guest,Hall,R-2\n")
        let before = try world.rows("SELECT xmin FROM tapline.attendees WHERE name = 'Ben'")
        let done = try world.import("uid,name,status,external_ref\n03,Anna,blocked,R-1\n02,Ben,,R-2\n04,Cleo,,R-3")
        #expect(done.added == 1 && done.changed == 1 && done.unchanged == 1 && done.tagsAdded == 2)
        #expect(
            try world.rows(
                """
                SELECT a.name, category, a.status, pass_id IS NULL, count(t) FROM tapline.attendees a
                JOIN tapline.tags t ON t.attendee_id = a.id GROUP BY a.id ORDER BY a.name
                """) == ["Anna|vip|blocked|f|2", "Ben|guest|active|f|1", "Cleo|-|active|t|1"])
        #expect(try world.rows("SELECT xmin FROM tapline.attendees WHERE name = 'Ben'") == before)
        // A new reference is assigned to the attendee with the same tag and name.
        try world.import("uid,name\n05,Dan\n")
        let adopted = try world.import("uid,name,external_ref\n05,Dan,R-5\n")
        #expect(adopted.added == 0 && adopted.changed == 1)
        // An empty cell clears the value.
        let emptied = try world.import("name,category,zones,external_ref\nAnna,,,R-1\n")
        #expect(emptied.changed == 1)
        #expect(
            try world.rows("SELECT category, status, pass_id FROM tapline.attendees WHERE name = 'Anna'") == [
                "-|blocked|-"
            ])
    }

    @Test func invalidRowsAreReportedByLineAndNothingIsStored() throws {
        let problems = try world.refused(
            """
            uid,name,zones,pass,valid_from,valid_until,status,external_ref
            01,Good,Hall,,,,,
            0,Odd hex,Hall,,,,,
            02,,Hall,,,,,
            03,Many,,,,,,,more
            04,"Multi
            line",Hall,,,,asleep,
            05,Time,Hall,,yesterday,,,
            06,Order,Hall,,2026-05-06T08:00:00Z,2026-05-06T08:00:00Z,,
            07,Both,Hall,VIP,,,,
            ,Untagged,Hall,,,,,
            01,Thief,Hall,,,,,
            08,Ref,Hall,,,,,R
            09,Other,Hall,,,,,R
            0a,Times,,,2026-05-06T08:00:00Z,,,
            0b,"Quote"x,,,,,,
            0c,Pass,,Gold,,,,
            0d,Blank zones,;;,,,,,
            0e,\(String(repeating: "x", count: 1_001)),,,,,,
            """)
        // Line 7 is the second half of a quoted name.
        let lines = problems.map { Int($0.dropFirst(5).prefix { $0 != ":" }) }
        #expect(lines == [3, 4, 5, 6, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19])
        #expect(problems.contains("line 12: the tag of Thief is already that of Good in line 2"))
        #expect(problems.contains("line 14: line 13 has the same external_ref with other data"))
        #expect(problems.contains("line 17: there is no pass 'Gold': import the passes first"))
        #expect(try world.rows("SELECT count(*) FROM tapline.attendees") == ["0"])
        #expect(try world.rows("SELECT count(*) FROM tapline.zones") == ["0"])
        #expect(try world.refused("uid,name,shoe\n").first?.contains("unknown column 'shoe'") == true)
        #expect(try world.refused("uid,uid,name\n").first?.contains("twice") == true)
        #expect(try world.refused("name\nx\n").first?.contains("needed") == true)
        #expect(try world.refused("").first?.contains("empty") == true)
        #expect(try world.refused("uid,name\n01,\"open").first?.contains("never closed") == true)
        let many = try #require(throws: ImportRejected.self) {
            try world.import("uid,name\n" + String(repeating: "xyz,Ann\n", count: 200))
        }
        #expect(many.count == 200 && many.problems.count == ImportRejected.limit)
        #expect(many.problems.map(\.number) == Array(2...51))
    }

    @Test func collisionsBeyondLimitAreCounted() throws {
        var csv = "uid,name\n"
        for number in 0..<120 { csv += "\(String(0x1000 + number, radix: 16)),Person \(number)\n" }
        try world.import(csv)
        let others = csv.split(separator: "\n").map { $0.hasPrefix("uid") ? String($0) : $0 + " the second" }
        let refused = try #require(throws: ImportRejected.self) { try world.import(others.joined(separator: "\n")) }
        #expect(refused.count == 120 && refused.problems.map(\.number) == Array(2...51))
        #expect(refused.description.hasSuffix("... and 70 more"))
    }

    @Test func tagOfOtherAttendeeIsRejectedWithBothNames() throws {
        try world.import("uid,name,external_ref\n01,Ann,R-1\n02,Ben,\n")
        #expect(
            try world.refused("uid,name,external_ref\n01,Cleo,R-3\n02,Dan,\n") == [
                "line 2: the tag of Cleo already belongs to Ann (external_ref R-1) in the database. "
                    + "If both are one person, give the row external_ref R-1",
                "line 3: the tag of Dan already belongs to Ben in the database. If both are one person, only an "
                    + "external_ref can tell: import the row once as Ben with an external_ref, then as Dan with the "
                    + "same one",
            ])
        #expect(try world.rows("SELECT name FROM tapline.attendees ORDER BY name") == ["Ann", "Ben"])
        try world.import("uid,name\n03,Ben\n04,Ben\n")
        try world.import("uid,name,external_ref\n04,Ben,R-4\n")
        #expect(
            try world.refused("uid,code,name\n02,X,Ben\n,X,Ben\n") == [
                "line 3: line 2 has the same tag and name: if both rows are one person, delete one of them"
            ])
        try world.connection.execute(
            "UPDATE tapline.tags SET attendee_id = (SELECT attendee_id FROM tapline.tags WHERE tag_id = \(world.tag(2))) WHERE tag_id = \(world.tag(3))"
        )
        #expect(
            try world.refused("uid,name\n02,Ben\n03,Ben\n") == [
                "line 3: Ben is the attendee of line 2, too: give both rows the same external_ref"
            ])
    }

    @Test func uidFormatsOfSuppliersAreRead() throws {
        var identities = RegistrationCSV.Identities(key: world.key)
        for (format, text) in [
            (UIDFormat.hex, "04A1B2C3"), (.hexReversed, "C3B2A104"), (.decimal, "77705923"),
            (.decimalReversed, "3283263748"),
        ] {
            identities.format = format
            let path = try world.write("sun,uid,name,external_ref\n,\(text),Ann,R-1\n\(text),,Ann,R-1\n")
            let done = try world.registry.import(RegistrationCSV(path, identities))
            #expect(done.tagsAdded == (format == .hex ? 2 : 0))
        }
        #expect(
            try world.rows("SELECT count(*) FROM tapline.tags WHERE tag_id = \(world.tag(0x04, 0xa1, 0xb2, 0xc3))") == [
                "1"
            ])
        let path = try world.write("uid,name\n04A1B2C3,Ann\n")
        (identities.format, identities.uidLengths) = (.hex, [7])
        let refused = try #require(throws: ImportRejected.self) {
            try world.registry.import(RegistrationCSV(path, identities))
        }
        #expect(refused.problems.map(\.description) == ["line 2: uid '04A1B2C3' has 4 bytes, but 7 are required"])
        let keyless = try #require(throws: RegistrationListError.self) {
            try world.registry.import(RegistrationCSV(path, RegistrationCSV.Identities(key: nil)))
        }
        #expect(keyless.category == .configuration)
    }

    @Test func fortyThousandRowsAreImported() throws {
        var csv = "uid,name,category,zones,status,external_ref\n"
        for number in 1...40_000 {
            let uid = String(0x0400_0000 + number, radix: 16)
            csv += "0\(uid),Person \(number),guest,Festival;Stage \(number % 9),,D-\(number)\n"
        }
        var seen: [ImportProgress] = []
        let done = try world.registry.import(try world.list(csv)) { seen.append($0) }
        #expect(done.added == 40_000 && done.tagsAdded == 40_000 && done.passesMade == 9)
        #expect(
            seen.contains(.reading(rows: 20_000)) && seen.suffix(3) == [.reading(rows: 40_000), .comparing, .storing])
        // Tags are stored in the order in which an export reads them.
        #expect(
            try world.rows("SELECT tag_id FROM tapline.tags")
                == world.rows("SELECT tag_id FROM tapline.tags ORDER BY tag_id"))
        let again = try world.import(csv)
        #expect(again.unchanged == 40_000 && again.added == 0 && again.changed == 0 && again.tagsAdded == 0)
    }
}
