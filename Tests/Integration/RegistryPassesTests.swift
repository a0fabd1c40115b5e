import Postgres
import RegistrationLists
import Testing

@testable import Registry

@Suite struct RegistryPassesTests {
    private let world: RegistryFixture

    init() throws { world = try RegistryFixture() }

    private func passes() throws -> [String] {
        try world.rows(
            """
            SELECT p.name, colour, note, reentry, string_agg(concat_ws(' ', z.name, valid_from, valid_until), ', ' ORDER BY z.name, valid_from)
            FROM tapline.passes p LEFT JOIN tapline.access a ON a.pass_id = p.id LEFT JOIN tapline.zones z ON z.id = a.zone_id
            GROUP BY p.id ORDER BY p.id
            """)
    }

    private static let table = """
        name,colour,note,reentry,zone,valid_from,valid_until
        Festival,green,,gate,Site,,
        Crew,red,all doors,free,Site,,
        Crew,,,,Backstage,2026-05-06T08:00:00Z,2026-05-07T02:00:00+04:00
        Crew,,,,Backstage,2026-05-08T08:00:00Z,
        Nothing,,,none,,,
        """

    @Test func secondImportOfPassesWritesNothing() throws {
        let done = try world.importPasses(Self.table)
        #expect(
            done.passesMade == 3 && done.passesChanged == 0 && done.zonesMade == ["Site", "Backstage"] && done.rows == 0
        )
        let expected = [
            "Festival|green|-|gate|Site",
            "Crew|red|all doors|free|Backstage 2026-05-06 08:00:00+00 2026-05-06 22:00:00+00, Backstage 2026-05-08 08:00:00+00, Site",
            "Nothing|-|-|none|",
        ]
        #expect(try passes() == expected)
        let picture = try world.picture()
        let again = try world.importPasses(Self.table)
        #expect(again.passesMade == 0 && again.passesChanged == 0 && again.zonesMade.isEmpty)
        #expect(try world.picture() == picture)
    }

    @Test func changedPassesAreUpdatedAndOthersStay() throws {
        try world.importPasses(Self.table)
        let ids = try world.rows("SELECT id, xmin FROM tapline.access WHERE valid_from IS NULL ORDER BY id")
        let done = try world.importPasses(
            """
            name;note;zone;valid_from
            Crew;some doors;Site;
            Crew;some doors;Kitchen;
            Crew;;Backstage;2026-05-08T08:00:00Z
            Guest;;Site;
            """)
        #expect(done.passesMade == 1 && done.passesChanged == 1 && done.zonesMade == ["Kitchen"])
        #expect(
            try passes() == [
                "Festival|green|-|gate|Site",
                "Crew|red|some doors|free|Backstage 2026-05-08 08:00:00+00, Kitchen, Site",
                "Nothing|-|-|none|", "Guest|-|-|gate|Site",
            ])
        #expect(Set(try world.rows("SELECT id, xmin FROM tapline.access")).isSuperset(of: ids))
        // An empty column clears the values; a missing one does not.
        try world.importPasses("name,zone,colour,reentry\nCrew,,,\n")
        #expect(try passes()[1] == "Crew|-|some doors|gate|")
    }

    @Test func invalidRowsAreReportedByLineAndNothingIsStored() throws {
        let refused = try #require(throws: ImportRejected.self) {
            try world.importPasses(
                """
                name,colour,reentry,zone,valid_from,valid_until
                Good,,,Site,,
                ,,,Site,,
                Odd,,sometimes,Site,,
                Good,blue,,Site,,
                Good,red,,Site,,
                Late,,,Site,2026-05-06T08:00:00Z,2026-05-06T07:00:00Z
                When,,,Site,tomorrow,
                Void,,,,2026-05-06T08:00:00Z,
                Two,,,Site;Hall,,
                Many,,,Site,,,x
                """)
        }
        #expect(refused.problems.map(\.number) == [3, 4, 6, 7, 8, 9, 10, 11])
        #expect(refused.problems[2].description == "line 6: pass 'Good' has another colour in line 2")
        for (text, word) in [("name,zone,shoe\n", "'shoe'"), ("name\n", "'zone'"), ("zone\n", "'name'"), ("", "empty")]
        {
            let error = try #require(throws: ImportRejected.self) { try world.importPasses(text) }
            #expect(error.description.contains(word))
        }
        #expect(try passes().isEmpty)
    }

    @Test func listUsesPassesOfSameImport() throws {
        let path = try world.write(Self.table, "passes.csv")
        let list = "uid,name,pass\n01,Ann,Crew\n02,Ben,Festival\n"
        #expect(try world.refused(list).count == 2)
        let done = try world.registry.import(try world.list(list), passes: try PassCSV(path))
        #expect(done.added == 2 && done.passesMade == 3)
        // Invalid rows also undo the passes.
        try world.connection.execute(
            "DELETE FROM tapline.tags; DELETE FROM tapline.attendees; DELETE FROM tapline.passes")
        let bad = try world.list("uid,name,pass\n01,Ann,Crew\n02,Ben,Gold\n")
        #expect(throws: ImportRejected.self) { try world.registry.import(bad, passes: try PassCSV(path)) }
        #expect(try passes().isEmpty)
    }

    @Test func dateAloneIsExplainedByStartAndEndOfTheDay() throws {
        try world.setEvent { ($0.name, $0.timeZone, $0.dayStart) = ("E", "Asia/Dubai", "06:00") }
        let text = "name,zone,valid_from,valid_until\nCrew,A,2026-05-06,\nGuest,A,,2026-05-06\n"
        let path = try world.write(text, "passes.csv")
        let rejected = try #require(throws: ImportRejected.self) {
            try world.registry.withTimeExamples { try PassCSV(path) }
        }
        let problems = rejected.problems.map(\.description)
        #expect(problems.count == 2)
        #expect(problems[0].hasSuffix("no offset from UTC: in Asia/Dubai, write 2026-05-06T00:00:00+04:00"))
        #expect(
            problems[1].hasSuffix(
                "for access until the end of that event day in Asia/Dubai, write 2026-05-07T06:00:00+04:00"))
        let list = try world.refused("uid,name,zones,valid_until\n01,Ann,A,2026-05-06\n")
        #expect(list.count == 1 && list[0].hasSuffix("write 2026-05-07T06:00:00+04:00"))
    }

    @Test func unnamedPassIsSharedByEqualZonesAndTimes() throws {
        try world.import(
            "uid,name,zones,valid_from\n01,Ann,A;B,\n02,Ben,B;A,\n03,Cem,A,\n04,Dan,A;B,2026-05-06T08:00:00Z\n")
        #expect(try passes().count == 3)
        try world.connection.execute("UPDATE tapline.passes SET note = 'dressed up' WHERE id = 2")
        let done = try world.import("uid,name,zones\n05,Eve,A\n06,Fay,A;B\n")
        #expect(done.passesMade == 1 && done.zonesMade.isEmpty)
    }
}
